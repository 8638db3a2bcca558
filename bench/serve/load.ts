/**
 * Load from a process of its own, so that it does not share the thread it measures: `node load.js URL PATH ...` with
 * the plan as JSON on stdin, one JSON line of results on stdout.
 *
 * `connections`: as fast as so many connections allow. `rate`: requests at their times whether or not earlier ones
 * were answered; a latency counts from the time a request was due, so that a stall is not forgiven (coordinated
 * omission; Tene 2015).
 */
import { Agent, request } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { text } from 'node:stream/consumers'

export interface LoadPlan {
  readonly url: string
  readonly path: string
  readonly body: string
  /** Points in a body. */
  readonly points: number
  readonly seconds: number
  readonly connections: number
  /** Requests a second; 0: as many as the connections allow. */
  readonly rate: number
  readonly headers: Readonly<Record<string, string>>
}

export interface LoadResult {
  readonly requests: number
  readonly failures: number
  readonly seconds: number
  readonly requestsPerS: number
  readonly pointsPerS: number
  readonly p50Ms: number
  readonly p95Ms: number
  readonly p99Ms: number
  readonly maxMs: number
}

const run = async (plan: LoadPlan): Promise<LoadResult> => {
  const agent = new Agent({ keepAlive: true, maxSockets: plan.connections })
  const { hostname, port } = new URL(plan.url)
  const body = Buffer.from(plan.body)
  const headers = { 'Content-Type': 'application/json', 'Content-Length': body.length, ...plan.headers }
  const latencies: number[] = []
  let failures = 0
  const send = (dueMs: number): Promise<void> =>
    new Promise((resolve) => {
      const asked = request(
        { host: hostname, port, path: plan.path, method: 'POST', agent, headers },
        (reply) => {
          reply.resume()
          reply.once('end', () => {
            if (reply.statusCode !== 200) failures++
            latencies.push(performance.now() - dueMs)
            resolve()
          })
        },
      )
      asked.once('error', () => {
        failures++
        resolve()
      })
      asked.end(body)
    })
  const start = performance.now()
  const end = start + plan.seconds * 1000
  if (plan.rate === 0) {
    await Promise.all(
      Array.from({ length: plan.connections }, async () => {
        while (performance.now() < end) await send(performance.now())
      }),
    )
  } else {
    const under: Promise<void>[] = []
    for (let i = 0, due = start; due < end; i++, due = start + (1000 * i) / plan.rate) {
      const waitMs = due - performance.now()
      if (waitMs > 1) await delay(waitMs)
      under.push(send(due))
    }
    await Promise.all(under)
  }
  const seconds = (performance.now() - start) / 1000
  agent.destroy()
  latencies.sort((a, b) => a - b)
  const at = (q: number): number =>
    Number((latencies[Math.floor((latencies.length - 1) * q)] ?? 0).toFixed(3))
  return {
    requests: latencies.length,
    failures,
    seconds: Number(seconds.toFixed(2)),
    requestsPerS: Math.round(latencies.length / seconds),
    pointsPerS: Math.round((latencies.length * plan.points) / seconds),
    p50Ms: at(0.5),
    p95Ms: at(0.95),
    p99Ms: at(0.99),
    maxMs: at(1),
  }
}

process.stdout.write(`${JSON.stringify(await run(JSON.parse(await text(process.stdin)) as LoadPlan))}\n`)
