/** A process that runs commands of `vigia` one after the other, as `openCommands` starts it. */
import { setImmediate } from 'node:timers/promises'
import { runCommand } from '../../cli/program.ts'
import type { CommandAsked, CommandEnded } from './cli.ts'

/** Collects what is written from now on. @returns what was written, once the stream is given back */
const collect = (stream: NodeJS.WriteStream): (() => string) => {
  const write = stream.write.bind(stream)
  const chunks: Uint8Array[] = []
  stream.write = (chunk: string | Uint8Array, ...rest: readonly unknown[]): boolean => {
    chunks.push(typeof chunk === 'string' ? Buffer.from(chunk) : chunk)
    const written = rest.find((value) => typeof value === 'function')
    if (written) process.nextTick(written)
    return true
  }
  return () => {
    stream.write = write
    return Buffer.concat(chunks).toString('utf8')
  }
}

const run = async ({ args, cwd, env }: CommandAsked): Promise<CommandEnded> => {
  process.chdir(cwd)
  process.exitCode = undefined
  const written = [process.stdout, process.stderr].map(collect)
  const code = await runCommand([process.execPath, 'vigia', ...args], env)
  // What it leaves for the next turn of the loop is its output too.
  await setImmediate()
  const [stdout = '', stderr = ''] = written.map((end) => end())
  return { code, stdout, stderr }
}

process.on('message', (asked: CommandAsked) => void run(asked).then((ended) => process.send?.(ended)))
process.on('disconnect', () => process.exit())
process.send?.('ready')
