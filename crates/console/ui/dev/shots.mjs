// Screenshots of a console at three sizes, dark and light, to be looked at.
//
//   node dev/shots.mjs URL FOLDER [scene…]
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { withBrowser } from './browser.mjs'

const [url, folder, ...wanted] = process.argv.slice(2)
const SIZES = { wide: [1440, 900, 1], mid: [1024, 768, 1], phone: [390, 844, 2] }
mkdirSync(folder, { recursive: true })

const settle = (page) => page.waitForTimeout(1800)
const choose = async (page) => {
  await page.locator('#list .row[data-state=online]').nth(3).click()
  await page.waitForSelector('#drawer:not([hidden])')
}
const zoomTo = (page, notches) =>
  page.evaluate((n) => {
    for (let i = 0; i < n; i++) document.getElementById('zoom-in').click()
  }, notches)
const SCENES = {
  city: async () => {},
  vehicle: choose,
  history: async (page) => {
    await choose(page)
    await page.keyboard.press('h')
  },
  commands: async (page) => {
    await choose(page)
    await page.keyboard.press('c')
  },
  form: async (page) => {
    await choose(page)
    await page.keyboard.press('s')
    await page.keyboard.type('doors.lock')
    await page.locator('#command-arguments').fill('{"doors": al}')
  },
  follow: async (page) => {
    await choose(page)
    await page.locator('.follow').click()
    await settle(page)
  },
  regions: async (page) => page.locator('#tab-regions').click(),
  filter: async (page) => page.locator('.chip[data-state=idle]').click(),
  lost: async (page) => page.waitForSelector('.banner[data-kind=link]:not([hidden])'),
  cut: async (page) => {
    await page.locator('#tab-regions').click()
    await page.waitForSelector('.banner[data-kind=cut]:not([hidden])')
  },
  cutstreet: async (page) => {
    await page.locator('.chip[data-state=stale]').click()
    await page.locator('#list .row').first().click()
    await settle(page)
    await zoomTo(page, 1)
  },
  help: async (page) => page.keyboard.press('?'),
  street: async (page) => {
    for (let i = 0; i < 4; i++) {
      await zoomTo(page, 1)
      await page.waitForTimeout(700)
    }
  },
  europe: async (page) => {
    for (let i = 0; i < 8; i++) {
      await page.evaluate(() => document.getElementById('zoom-out').click())
      await page.waitForTimeout(600)
    }
  },
  world: async (page) => {
    for (let i = 0; i < 11; i++) {
      await page.evaluate(() => document.getElementById('zoom-out').click())
      await page.waitForTimeout(600)
    }
  },
}

await withBrowser(async (browser) => {
  for (const [size, [width, height, deviceScaleFactor]] of Object.entries(SIZES)) {
    for (const colorScheme of ['dark', 'light']) {
      for (const [scene, act] of Object.entries(SCENES)) {
        const name = `${size}-${colorScheme}-${scene}`
        if (wanted.length > 0 && !wanted.some((w) => name.includes(w))) continue
        const page = await browser.newPage({
          viewport: { width, height },
          colorScheme,
          deviceScaleFactor,
          hasTouch: size === 'phone',
        })
        page.on(
          'console',
          (m) => ['error', 'warning'].includes(m.type()) && process.stdout.write(`${name}: ${m.text()}\n`),
        )
        page.on('pageerror', (e) => process.stdout.write(`${name}: ${e}\n`))
        await page.goto(url)
        await page.waitForSelector('#list .row:not([hidden])')
        await settle(page)
        await act(page)
        await settle(page)
        await page.screenshot({ path: join(folder, `${name}.png`) })
        await page.close()
      }
    }
  }
})
