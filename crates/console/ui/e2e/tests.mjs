// What an operator does with the console, one test each. Waits are bounded by the page's timeout of 30 s.
import { strict as assert } from 'node:assert'
import { kill } from 'node:process'
import { difference, seen, waitForColour } from './pixels.mjs'

const ONLINE = { dark: '#2fd6a3', light: '#008c68' }

const textOf = (page, selector) => page.locator(selector).textContent()
const numberOf = async (page, selector) => Number((await textOf(page, selector)).replace(/\D/g, ''))
const rows = (page) => page.locator('#list .row:not([hidden])')
const chip = (page, state) => `.chip[data-state=${state}]`

/** The first online vehicle that the API says is driving. */
async function driving(gateway) {
  const answer = await fetch(new URL('/v1/vehicles?state=online&limit=1000', gateway))
  const { vehicles } = await answer.json()
  const found = vehicles.filter((v) => v.position).sort((a, b) => b.position.speed - a.position.speed)[0]
  assert.ok(found, 'a vehicle that drives')
  return found
}

export const TESTS = [
  {
    name: 'the page shows as many vehicles as the gateway has, with its name and totals by state',
    async run({ open, gateway }) {
      const page = await open()
      const { total } = await (await fetch(new URL('/v1/vehicles?limit=1', gateway))).json()
      const { gateway: seat } = await (await fetch(new URL('/v1/regions', gateway))).json()
      // Vehicles may attach for the first time between the two readings.
      await page.waitForFunction(
        (n) => Number(document.getElementById('found').textContent.replace(/\D/g, '')) >= n,
        total,
      )
      assert.equal(await textOf(page, '#seat'), seat)
      assert.equal(await textOf(page, '#pulse'), 'live')
      const shown = await page.locator('.chip b').allTextContents()
      const sum = shown.reduce((n, text) => n + Number(text.replace(/\D/g, '')), 0)
      assert.ok(Math.abs(sum - (await numberOf(page, '#found'))) <= 3, `chips add up to the list: ${shown}`)
      assert.ok((await numberOf(page, `${chip(page, 'online')} b`)) > 0)
    },
  },
  {
    name: 'only the rows in sight exist, and scrolling brings the last one',
    async run({ open }) {
      const page = await open()
      const all = await numberOf(page, '#found')
      const made = await page.locator('#list .row').count()
      assert.ok(made < 60, `${made} rows for ${all} vehicles`)
      // To the end anew at each look: vehicles set out meanwhile and the list grows.
      await page.waitForFunction(() => {
        const list = document.querySelector('#list')
        list?.scrollTo(0, list.scrollHeight)
        const last = document.querySelector('#list .row:not([hidden])')?.getAttribute('aria-setsize')
        return [...document.querySelectorAll('#list .row:not([hidden])')].some(
          (r) => r.getAttribute('aria-posinset') === last,
        )
      })
    },
  },
  {
    name: 'vehicles are drawn on the map in the colour of their state, on roads, and move',
    async run({ open, decoder }) {
      const page = await open()
      // Closer, so that a second's way is many pixels; the base map is given the time to be there.
      for (let i = 0; i < 2; i++) await page.locator('#zoom-in').click()
      let before
      for (let looks = 0; looks < 40; looks++) {
        before = await seen(page, decoder, [ONLINE.dark])
        if (before.different > 40 && before.places[0].size > 60) break
      }
      assert.ok(before.different > 40, `a base map is drawn: ${before.different} colours`)
      const [first] = before.places
      assert.ok(first.size > 60, `online vehicles are drawn: ${first.size} pixels`)
      let moved = 0
      for (let looks = 0; looks < 30 && moved < 30; looks++) {
        const [now] = (await seen(page, decoder, [ONLINE.dark])).places
        moved = Math.min(difference(first, now), difference(now, first))
      }
      assert.ok(moved >= 30, `${moved} pixels moved`)
    },
  },
  {
    name: 'the search narrows the list, and Escape shows all again',
    async run({ open, gateway }) {
      const page = await open()
      const { id } = await driving(gateway)
      await page.keyboard.press('/')
      await page.keyboard.type(id.toLowerCase())
      await page.waitForFunction((wanted) => {
        const shown = [...document.querySelectorAll('#list .row:not([hidden]) .name')].map((n) => n.textContent)
        return shown.length > 0 && shown.every((n) => n.includes(wanted))
      }, id)
      assert.match(await textOf(page, '#found'), /^\d+ of /)
      await page.keyboard.type(' no such thing')
      await page.waitForSelector('#list .empty:not([hidden])')
      await page.keyboard.press('Escape')
      await page.waitForFunction(() => document.querySelectorAll('#list .row:not([hidden])').length > 3)
      assert.equal(await page.locator('#search').inputValue(), '')
    },
  },
  {
    name: 'a chip shows only the vehicles of its state, a region only its own',
    async run({ open }) {
      const page = await open()
      await page.locator(chip(page, 'online')).click()
      await page.waitForFunction(() => /of/.test(document.getElementById('found').textContent))
      const states = await rows(page).evaluateAll((all) => all.map((r) => r.dataset.state))
      assert.ok(states.length > 0 && states.every((s) => s === 'online'), `${states}`)
      await page.locator('#clear').click()
      await page.keyboard.press('r')
      const card = page.locator('.region').nth(1)
      const region = await card.locator('h2').textContent()
      await card.locator('.filter').click()
      await page.keyboard.press('v')
      await page.waitForFunction((name) => {
        const places = [...document.querySelectorAll('#list .row:not([hidden]) .place')].map((p) => p.textContent)
        return places.length > 0 && places.every((p) => p === name)
      }, region)
    },
  },
  {
    name: 'a chosen vehicle opens its drawer: state in words, place, signals, history and track',
    async run({ open, gateway, decoder }) {
      const { id } = await driving(gateway)
      const page = await open({}, `#${id}`)
      await page.waitForSelector('#drawer:not([hidden])')
      assert.equal(await textOf(page, '#drawer h2'), id)
      await page.waitForFunction(
        () =>
          /^Online, connected to \S+$/.test(document.querySelector('.sentence').textContent) &&
          /^Heard [\d.]+ s ago/.test(document.querySelector('.evidence').textContent),
      )
      await page.waitForSelector('.chart canvas')
      await page.waitForSelector('.signals div')
      const fact = async (label) => page.locator(`.facts dt:text-is("${label}") + dd`).textContent()
      assert.match(await fact('Cell'), /^85[0-9a-f]+$/)
      assert.match(await fact('Epoch'), /^\d{15,}$/)
      const before = await fact('Position')
      assert.match(before, /^\d+\.\d{5}° [NS], \d+\.\d{5}° [EW]$/)
      await page.waitForFunction((text) => document.querySelector('.facts dd').textContent !== text, before)
      const white = await waitForColour(page, decoder, '#f2f6fa', 40, 16)
      assert.ok(white >= 40, `the chosen one is ringed and its track drawn: ${white} pixels`)
      await page.keyboard.press('Escape')
      await page.waitForSelector('#drawer', { state: 'hidden' })
      assert.equal(new URL(page.url()).hash, '')
    },
  },
  {
    name: 'the timeline tells how the vehicle came to its state, and the strip above draws it',
    needs: '/timeline',
    async run({ open, gateway }) {
      const { id } = await driving(gateway)
      const page = await open({}, `#${id}`)
      await page.waitForSelector('.day rect[data-state=online]')
      assert.match(await page.locator('.day svg').getAttribute('aria-label'), /^The last .+: .*[Oo]nline \d+ %/)
      await page.keyboard.press('h')
      const newest = page.locator('.episodes li').first()
      await newest.waitFor()
      const { transitions } = await (await fetch(new URL(`/v1/vehicles/${id}/timeline`, gateway))).json()
      assert.ok(transitions.length > 0)
      assert.equal(await newest.getAttribute('data-state'), 'online')
      assert.match(await newest.locator('.age').textContent(), /^\d+ (s|min|h) ago$/)
      assert.match(await newest.locator('time').getAttribute('datetime'), /^\d{4}-\d\d-\d\dT.+Z$/)
      assert.match(await newest.locator('.line').textContent(), /since then, /)
    },
  },
  {
    name: 'a check says how the vehicle was reached and how long it took',
    needs: '/page',
    async run({ open, gateway }) {
      const { id } = await driving(gateway)
      const page = await open({}, `#${id}`)
      await page.waitForSelector('#drawer:not([hidden])')
      await page.keyboard.press('k')
      await page.waitForFunction(() =>
        /^Reachable: it answered via \S+ after [\d.]+ s$/.test(document.querySelector('.outcome p').textContent),
      )
    },
  },
  {
    name: 'a command is made by keyboard, wrong arguments are pointed at, and its state is followed to an end',
    needs: '/commands',
    async run({ open, gateway }) {
      const { id } = await driving(gateway)
      const page = await open({}, `#${id}`)
      await page.waitForSelector('#drawer:not([hidden])')
      await page.keyboard.press('s')
      await page.keyboard.type('e2e.try')
      await page.keyboard.press('Tab')
      await page.keyboard.type('{"n": tru}')
      assert.match(await textOf(page, '#command-fault-arguments'), /^Line 1, column 7: /)
      await page.locator('#command-arguments').fill('{"n": 1}')
      assert.equal(await textOf(page, '#command-fault-arguments'), '')
      await page.locator('.segments label', { hasText: '30 s' }).click()
      await page.locator('.command-form .solid').press('Enter')
      await page.waitForFunction(() => /^e2e\.try: Taken, /.test(document.querySelector('.taken').textContent))
      const row = page.locator('.command').first()
      assert.equal(await row.locator('b').first().textContent(), 'e2e.try')
      // The demo's vehicles know no such command: whatever it comes to, it comes to an end within its 30 s and a margin.
      page.setDefaultTimeout(60_000)
      await page.waitForFunction(() =>
        ['good', 'bad', 'gone', 'unsure'].includes(document.querySelector('.command').dataset.tone),
      )
      await row.locator('.command-head').press('Enter')
      assert.ok((await row.locator('.steps li').count()) >= 2)
      assert.ok(await row.locator('.command-line button').isHidden(), 'what has ended cannot be cancelled')
    },
  },
  {
    name: 'Escape closes the form before the drawer, and letters typed there are no shortcuts',
    async run({ open, gateway }) {
      const { id } = await driving(gateway)
      const page = await open({}, `#${id}`)
      await page.waitForSelector('#drawer:not([hidden])')
      await page.keyboard.press('s')
      await page.locator('#command-arguments').focus()
      await page.keyboard.type('t0f?')
      assert.equal(await page.locator('#command-arguments').inputValue(), 't0f?')
      assert.equal(await page.locator('.follow').getAttribute('aria-pressed'), 'false')
      await page.keyboard.press('Escape')
      await page.waitForSelector('.command-form', { state: 'hidden' })
      assert.ok(await page.locator('#drawer').isVisible())
      await page.keyboard.press('Escape')
      await page.waitForSelector('#drawer', { state: 'hidden' })
    },
  },
  {
    name: 'an answer to another vehicle leaves alone what is typed for this one, and a failing gateway keeps its key',
    needs: '/commands',
    // The gateway's own answers are replaced: the browser logs that one of them was an error.
    offline: true,
    async run({ open, gateway }) {
      const page = await open()
      const answers = []
      const keys = []
      await page.route('**/v1/vehicles/*/commands', async (route) => {
        if (route.request().method() !== 'POST') return route.continue()
        keys.push(route.request().headers()['idempotency-key'])
        const status = await new Promise((answer) => answers.push(answer))
        const detail = 'this gateway stops; ask another'
        if (status === 200) return route.continue()
        await route.fulfill({ status, contentType: 'application/problem+json', body: JSON.stringify({ detail }) })
      })
      const asked = async (count) => {
        for (let looks = 0; looks < 300 && answers.length < count; looks++) await page.waitForTimeout(20)
        assert.equal(answers.length, count, 'so many were sent')
      }
      const { vehicles } = await (await fetch(new URL('/v1/vehicles?limit=4', gateway))).json()
      const choose = async ({ id }) => {
        await page.evaluate((vehicle) => (location.hash = vehicle), id)
        await page.waitForFunction((name) => document.querySelector('#drawer h2').textContent === name, id)
        await page.keyboard.press('s')
        await page.waitForFunction(() => document.activeElement.id === 'command-name')
      }
      const form = () =>
        page.evaluate(() => ({
          open: !document.querySelector('.command-form').hidden,
          name: document.querySelector('#command-name').value,
          arguments: document.querySelector('#command-arguments').value,
          send: document.querySelector('.command-form .solid').textContent,
          faults: [...document.querySelectorAll('.command-form .fault')].map((f) => f.textContent).join(''),
        }))
      // What an answer does is done within its own turn and the drawings after it.
      const settled = () => page.evaluate(() => new Promise((done) => setTimeout(done, 500)))
      const typed = { open: true, name: 'second', arguments: '{"by": "hand"}', send: 'Send', faults: '' }
      for (const [at, status] of [200, 503].entries()) {
        await choose(vehicles[2 * at])
        await page.locator('#command-name').fill('first')
        await page.locator('.command-form .solid').click()
        await asked(at + 1)
        await choose(vehicles[2 * at + 1])
        await page.locator('#command-name').fill(typed.name)
        await page.locator('#command-arguments').fill(typed.arguments)
        const answered = page.waitForResponse((r) => r.request().method() === 'POST')
        answers[at](status)
        await (await answered).finished()
        await settled()
        assert.deepEqual(await form(), typed, `after ${status}`)
      }
      // The same twice at a gateway that fails: one key, so that it is taken once.
      for (let again = 2; again < 4; again++) {
        await page.locator('.command-form .solid').click()
        await asked(again + 1)
        answers[again](503)
        await page.waitForFunction(() => document.querySelector('.command-form .solid').textContent === 'Send')
        assert.match((await form()).faults, /^This gateway stops; ask another\. It may have been taken all the same/)
      }
      assert.equal(keys[2], keys[3])
      assert.equal(new Set(keys).size, 3)
      await page.keyboard.press('Escape')
      assert.ok(await page.locator('.opener').isVisible())
    },
  },
  {
    name: 'sending is never below the fold, and what has the focus is never below the buttons',
    needs: '/commands',
    async run({ open, gateway }) {
      const { id } = await driving(gateway)
      const sizes = [
        { width: 1440, height: 900 },
        { width: 390, height: 844 },
      ]
      for (const viewport of sizes) {
        const page = await open({ viewport }, `#${id}`)
        await page.waitForSelector('#drawer:not([hidden])')
        await page.keyboard.press('s')
        const drawer = await page.locator('#drawer .body').boundingBox()
        const edge = Math.min(drawer.y + drawer.height, viewport.height)
        const send = await page.locator('.command-form .solid').boundingBox()
        assert.ok(send.y + send.height <= edge, `Send ends at ${send.y + send.height}, the drawer at ${edge}`)
        for (const field of ['#command-name', '#command-arguments', '#command-wake']) {
          await page.locator(field).focus()
          // The browser scrolls to what has the focus once it has laid out what came meanwhile.
          let [ends, top] = [Infinity, 0]
          for (let looks = 0; looks < 40 && ends > top; looks++) {
            if (looks > 0) await page.waitForTimeout(50)
            top = (await page.locator('.command-form .buttons').boundingBox()).y
            const { y, height } = await page.locator(field).boundingBox()
            ends = y + height
          }
          assert.ok(ends <= top, `${field} ends at ${ends}, the buttons begin at ${top}`)
        }
      }
    },
  },
  {
    name: 'the keys choose, follow, explain and close',
    async run({ open }) {
      const page = await open()
      await page.keyboard.press('ArrowDown')
      await page.waitForSelector('#drawer:not([hidden])')
      const first = await textOf(page, '#drawer h2')
      await page.keyboard.press('ArrowDown')
      await page.waitForFunction((name) => document.querySelector('#drawer h2').textContent !== name, first)
      const second = await textOf(page, '#drawer h2')
      // Another that attaches meanwhile may stand between the two by now.
      await page.keyboard.press('ArrowUp')
      await page.waitForFunction((name) => document.querySelector('#drawer h2').textContent !== name, second)
      await page.keyboard.press('f')
      assert.equal(await page.locator('.follow').getAttribute('aria-pressed'), 'true')
      await page.keyboard.press('?')
      assert.ok(await page.locator('#keys').evaluate((d) => d.open))
      await page.keyboard.press('Escape')
      await page.waitForFunction(() => !document.getElementById('keys').open)
      assert.ok(await page.locator('#drawer').isVisible())
      await page.keyboard.press('Escape')
      await page.waitForSelector('#drawer', { state: 'hidden' })
    },
  },
  {
    name: 'the regions panel says of every gateway how it is heard and what it has',
    async run({ open, gateway }) {
      const page = await open()
      await page.keyboard.press('r')
      const { regions } = await (await fetch(new URL('/v1/regions', gateway))).json()
      await page.waitForFunction(
        (n) => document.querySelectorAll('#regions .gateway').length === n,
        regions.flatMap((r) => r.gateways).length,
      )
      const words = await page.locator('#regions .word').allTextContents()
      assert.equal(words.filter((w) => w === 'this gateway').length, 1)
      assert.ok(
        words.every((w) => w === 'this gateway' || w === 'heard'),
        `${words}`,
      )
      const ages = (await page.locator('#regions .heard').allTextContents()).filter((a) => a !== '')
      const heard = '#regions .sight[data-sight=heard]'
      await page.waitForFunction(
        ([selector, n]) => document.querySelectorAll(selector).length === n,
        [heard, words.length * (words.length - 1)],
      )
      assert.equal(await page.locator('#regions .link:not([hidden])').count(), words.length - 1)
      assert.ok(ages.length > 0 && ages.every((a) => /^(just now|\d+ s ago)$/.test(a)), `${ages}`)
    },
  },
  {
    name: 'dark and light follow the system, a choice is kept, and both draw their vehicles',
    async run({ open, decoder }) {
      const page = await open({ colorScheme: 'light' })
      const ground = () => page.evaluate(() => getComputedStyle(document.getElementById('panel')).backgroundColor)
      assert.equal(await ground(), 'rgb(255, 255, 255)')
      const drawn = await waitForColour(page, decoder, ONLINE.light, 40)
      assert.ok(drawn >= 40, `${drawn} pixels of online vehicles in the light`)
      await page.keyboard.press('t')
      assert.equal(await ground(), 'rgb(17, 23, 29)')
      await page.reload()
      assert.equal(await ground(), 'rgb(17, 23, 29)')
      await page.keyboard.press('t')
      assert.equal(await ground(), 'rgb(255, 255, 255)')
    },
  },
  {
    name: 'on a phone the list is a sheet below the map and nothing runs over the edge',
    async run({ open }) {
      const page = await open({ viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true })
      const panel = await page.locator('#panel').boundingBox()
      assert.ok(panel.y > 300 && panel.y < 700 && Math.round(panel.y + panel.height) === 844, JSON.stringify(panel))
      assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth))
      await rows(page).first().tap()
      await page.waitForSelector('#drawer:not([hidden])')
      const drawer = await page.locator('#drawer').boundingBox()
      assert.equal(drawer.width, 390)
      await page.locator('#drawer button[aria-label=Close]').tap()
      await page.waitForSelector('#drawer', { state: 'hidden' })
    },
  },
  {
    name: 'a lost connection is said at once with the age of what is shown, and mends by itself',
    offline: true,
    async run({ open, link }) {
      const page = await open()
      link.cut()
      await page.waitForSelector('.banner[data-kind=link]:not([hidden])')
      await page.waitForFunction(() =>
        /All you see is \d+ s old or older/.test(document.querySelector('.banner[data-kind=link]').textContent),
      )
      assert.match(await textOf(page, '#pulse'), /^lost \d+ s ago$/)
      link.heal()
      await page.waitForSelector('.banner[data-kind=link]', { state: 'hidden' })
      assert.equal(await textOf(page, '#pulse'), 'live')
      assert.ok((await numberOf(page, `${chip(page, 'online')} b`)) > 0)
    },
  },
  {
    name: 'a link that stands but carries nothing counts as lost within its 20 s',
    offline: true,
    async run({ open, link }) {
      const page = await open()
      await page.waitForFunction(() => document.getElementById('pulse').textContent === 'live')
      link.freeze()
      await page.waitForFunction(() => document.getElementById('pulse').textContent.startsWith('quiet'))
      await page.waitForSelector('.banner[data-kind=link]:not([hidden])')
      link.heal()
      await page.waitForSelector('.banner[data-kind=link]', { state: 'hidden' })
    },
  },
  {
    name: 'a killed region is named in a banner, nothing is shown online through it, and all is well when it is back',
    needsKill: true,
    async run({ open, killPid }) {
      const page = await open()
      page.setDefaultTimeout(120_000)
      kill(killPid, 'SIGKILL')
      const killed = Date.now()
      await page.waitForSelector('.banner[data-kind=cut]:not([hidden])')
      const after_ms = Date.now() - killed
      assert.ok(after_ms < 16_000, `${after_ms} ms until it was said`)
      const [, region] = /^Nothing heard from (\S+) for \d/.exec(await textOf(page, '.banner[data-kind=cut]'))
      await page.keyboard.press('r')
      const card = page.locator('.region', { has: page.locator(`h2:text-is("${region}")`) })
      assert.equal(await card.locator('.word').textContent(), 'cut off')
      // Its vehicles are stale until they have moved to a neighbour; none may be shown online through it.
      await card.locator('.filter').click()
      await page.keyboard.press('v')
      await page.waitForFunction(() => /of/.test(document.getElementById('found').textContent))
      const shown = await rows(page).evaluateAll((all) => all.map((row) => row.innerText.replaceAll('\n', ' ')))
      const states = await rows(page).evaluateAll((all) => all.map((row) => row.dataset.state))
      assert.ok(
        states.every((state) => state !== 'online'),
        `${after_ms} ms, ${region}: ${shown.join('; ')}`,
      )
      await page.locator('#clear').click()
      await page.waitForSelector('.banner[data-kind=cut]', { state: 'hidden' })
      await page.waitForFunction(() => Number(document.querySelector('.chip[data-state=stale] b').textContent) === 0)
    },
  },
]
