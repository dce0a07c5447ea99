import { afterEach, expect, test, vi } from 'vitest'
import { ApiError, faultText, mayHaveHappened, request } from '../src/api'
import { cancelCommand, sendCommand } from '../src/presence-api'

const COMMAND = { name: 'doors.lock', ttl_s: 30, policy: 'now', wake: true } as const

afterEach(() => {
  vi.restoreAllMocks()
  vi.unstubAllGlobals()
})

/** A gateway that takes the request and says nothing, as `fetch` tells of it. */
function silentGateway() {
  const fetch = vi.fn(
    (_path: string, { signal }: { signal?: AbortSignal }) =>
      new Promise((_, refuse) => signal!.addEventListener('abort', () => refuse(signal!.reason))),
  )
  vi.stubGlobal('fetch', fetch)
}

/** Patience that ends at once, however long it was meant to be; what it was meant to be. */
function hurried(): number[] {
  const meant: number[] = []
  const timeout = AbortSignal.timeout.bind(AbortSignal)
  vi.spyOn(AbortSignal, 'timeout').mockImplementation((ms) => {
    meant.push(ms)
    return timeout(1)
  })
  return meant
}

test('an order that is not answered within 15 s is one that got no answer', async () => {
  silentGateway()
  const meant = hurried()
  for (const order of [() => sendCommand('a', COMMAND, 'k'), () => cancelCommand('1')]) {
    const fault = await order().catch((error: unknown) => error)
    expect(fault).toEqual(new ApiError(0, 'this gateway does not answer'))
    expect((fault as ApiError).status).toBe(0)
  }
  expect(meant).toEqual([15_000, 15_000])
})

test('an answer that breaks off is none', async () => {
  const json = () => Promise.reject(new TypeError('network error'))
  vi.stubGlobal('fetch', () => Promise.resolve({ ok: true, json }))
  await expect(request('v1/regions')).rejects.toEqual(new ApiError(0, 'this gateway does not answer'))
})

test('who asked and let it go is told of his own abort, not of a gateway', async () => {
  silentGateway()
  const abort = new AbortController()
  const asked = request('v1/regions', { signal: abort.signal })
  abort.abort()
  await expect(asked).rejects.toHaveProperty('name', 'AbortError')
})

test('only a refusal says that nothing was done', () => {
  const statuses = [0, 400, 409, 422, 429, 500, 503]
  expect(statuses.map((status) => mayHaveHappened(new ApiError(status, '')))).toEqual([
    true,
    false,
    false,
    false,
    false,
    true,
    true,
  ])
  expect(mayHaveHappened(new SyntaxError('half an answer'))).toBe(true)
  expect([faultText(new ApiError(409, 'no socket')), faultText('odd')]).toEqual(['no socket', 'odd'])
})
