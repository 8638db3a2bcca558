/**
 * Exit code 0 when the address answers with 2xx within 3 s, else 1. For container health checks: slim images
 * have no curl.
 *
 *   node deploy/healthcheck.mjs [http://127.0.0.1:8080/livez]
 */
const address = process.argv[2] ?? 'http://127.0.0.1:8080/livez'
try {
  const reply = await fetch(address, { signal: AbortSignal.timeout(3000) })
  if (!reply.ok) throw new Error(`${address} answered ${reply.status}`)
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
}
