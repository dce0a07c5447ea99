import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { defineConfig, type Plugin } from 'vite'

const MODULES = fileURLToPath(new URL('./node_modules/', import.meta.url))
const BUNDLED = ['maplibre-gl', 'topojson-client', 'uplot', 'world-atlas']

/** Puts the licences of what is bundled beside the bundle, as they ask for. */
function licences(): Plugin {
  return {
    name: 'licences',
    generateBundle() {
      const texts = BUNDLED.map((name) => {
        const folder = `${MODULES}${name}/`
        const file = readdirSync(folder).find((f) => /^licen[cs]e/i.test(f))
        if (file === undefined || !existsSync(folder + file)) this.error(`${name} has no licence file`)
        return `${name}\n${'='.repeat(name.length)}\n\n${readFileSync(folder + file, 'utf8').trim()}\n`
      })
      const roads =
        'Luxembourg roads\n================\n\nConverted from the LuST scenario, MIT, © 2016 Lara Codeca, VehicularLab.\nMap data ODbL 1.0, © OpenStreetMap contributors, https://www.openstreetmap.org/copyright\n'
      this.emitFile({ type: 'asset', fileName: 'licences.txt', source: [...texts, roads].join('\n\n') })
    },
  }
}

// Writes ../dist, which is committed: names carry a hash of the content, so that a rebuild of the same
// sources gives the same files. The map library and the data are chunks of their own and keep their names
// when only the console changes.
export default defineConfig({
  base: './',
  plugins: [licences()],
  build: {
    outDir: '../dist',
    emptyOutDir: true,
    target: 'es2022',
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 2000,
    sourcemap: false,
    rolldownOptions: {
      output: {
        codeSplitting: {
          groups: [
            { name: 'maplibre', test: /node_modules[\\/]maplibre-gl/ },
            { name: 'lib', test: /node_modules/ },
          ],
        },
      },
    },
  },
  test: { include: ['test/**/*.test.ts'] },
} as Parameters<typeof defineConfig>[0])
