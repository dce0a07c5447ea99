// A link that can be cut: a TCP proxy between the browser and the gateway, so that what a phone's network does
// to a console can be done here.
import { connect, createServer } from 'node:net'

export class Link {
  /** Where the browser connects. */
  url = ''
  #sockets = new Set()
  #mode = 'open'
  #server

  constructor(gateway) {
    const target = new URL(gateway)
    this.#server = createServer((near) => {
      if (this.#mode === 'cut') return near.destroy()
      const far = connect(Number(target.port), target.hostname)
      const pair = { near, far }
      this.#sockets.add(pair)
      for (const [from, to] of [
        [near, far],
        [far, near],
      ]) {
        from.on('data', (bytes) => {
          if (this.#mode !== 'frozen' && !to.destroyed) to.write(bytes)
        })
        from.on('close', () => {
          to.destroy()
          this.#sockets.delete(pair)
        })
        from.on('error', () => {})
      }
    })
  }

  async open() {
    await new Promise((done) => this.#server.listen(0, '127.0.0.1', done))
    this.url = `http://127.0.0.1:${this.#server.address().port}/`
  }

  /** Ends every connection and refuses new ones. */
  cut() {
    this.#mode = 'cut'
    this.#drop()
  }

  /** Lets every connection stand, and nothing through: a dead radio link. */
  freeze() {
    this.#mode = 'frozen'
  }

  heal() {
    if (this.#mode === 'frozen') this.#drop()
    this.#mode = 'open'
  }

  async close() {
    this.#drop()
    await new Promise((done) => this.#server.close(done))
  }

  #drop() {
    for (const { near, far } of this.#sockets) {
      near.destroy()
      far.destroy()
    }
  }
}
