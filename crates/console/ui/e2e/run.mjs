// The console in a real browser, over a real gateway with vehicles on it.
//
//   WAYGATE_URL=http://127.0.0.1:7801 [WAYGATE_KILL_PID=PID] npm run e2e [-- WORDS]
//
// WAYGATE_KILL_PID is the process of another region's gateway, which the last test kills; it must come back by
// itself, as those of `waygate demo` do. With WORDS only the tests with them in their name run. CHROMIUM names the browser (default /usr/bin/chromium). Nothing else is
// needed. The last line says how many passed and failed.
import { strict as assert } from 'node:assert'
import { withBrowser } from '../dev/browser.mjs'
import { Link } from './link.mjs'
import { TESTS } from './tests.mjs'

const gateway = process.env.WAYGATE_URL
const say = (text) => process.stdout.write(`${text}\n`)
if (!gateway) {
  process.stderr.write('WAYGATE_URL must name a running gateway, for example http://127.0.0.1:7801 of `waygate demo`\n')
  process.exit(64)
}
const killPid = process.env.WAYGATE_KILL_PID ? Number(process.env.WAYGATE_KILL_PID) : null

const words = process.argv.slice(2).join(' ')

/** Everything a page complains of or asks for elsewhere, as long as it lives. */
function watched(page, origin) {
  const faults = []
  page.on(
    'console',
    (message) => ['error', 'warning'].includes(message.type()) && faults.push(`console: ${message.text()}`),
  )
  page.on('pageerror', (error) => faults.push(`page: ${error}`))
  page.on('request', (request) => {
    const url = request.url()
    if (!url.startsWith(origin) && !url.startsWith('data:') && !url.startsWith('blob:'))
      faults.push(`asked elsewhere: ${url}`)
  })
  return faults
}

/** Whether the gateway has this resource of a vehicle. A page is only posted: that another method is refused is an answer. */
async function has(resource) {
  const answer = await fetch(new URL(`/v1/vehicles/none${resource}`, gateway))
  const { detail } = await answer.json().catch(() => ({}))
  return !`${detail}`.startsWith('there is nothing at')
}

let passed = 0
let failed = 0
await withBrowser(async (browser) => {
  const decoder = await browser.newPage()
  for (const { name, needsKill, needs, offline, run } of TESTS.filter((test) => test.name.includes(words))) {
    if (needsKill && killPid === null) {
      say(`SKIPPED ${name}: WAYGATE_KILL_PID is not set`)
      continue
    }
    if (needs && !(await has(needs))) {
      say(`SKIPPED ${name}: this gateway has no ${needs}`)
      continue
    }
    const link = new Link(gateway)
    await link.open()
    const opened = []
    /** Opens the console; its page must stay free of complaints unless the test breaks its link. */
    const open = async (options = {}, fragment = '') => {
      const page = await browser.newPage({ viewport: { width: 1280, height: 800 }, colorScheme: 'dark', ...options })
      page.setDefaultTimeout(30_000)
      opened.push({ page, faults: watched(page, link.url) })
      await page.goto(link.url + fragment)
      await page.waitForSelector('#list .row:not([hidden])')
      return page
    }
    try {
      await run({ open, link, decoder, killPid, gateway })
      for (const { faults } of opened) if (!offline) assert.deepEqual(faults, [])
      passed++
      say(`ok      ${name}`)
    } catch (error) {
      failed++
      say(`FAILED  ${name}\n        ${String(error?.stack ?? error).replaceAll('\n', '\n        ')}`)
    }
    for (const { page } of opened) await page.close()
    await link.close()
  }
})
say(`${passed} passed, ${failed} failed`)
process.exitCode = failed === 0 ? 0 : 1
