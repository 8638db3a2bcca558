/**
 * Commands of `vigia` as people run them, in a process of their own. Most of what a command takes is the start of
 * its process: a suite of many commands starts one that runs them all. What concerns the process itself, its
 * signals and its end, is tested with one process per command in test/e2e/cli.test.ts.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'

export interface CommandAsked {
  readonly args: readonly string[]
  readonly cwd: string
  readonly env: Readonly<Record<string, string>>
}

export interface CommandEnded {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export interface Commands {
  /** Runs a command with exactly these settings when those before it have ended, in `folder` instead of `cwd`. */
  run(args: readonly string[], folder?: string): Promise<CommandEnded>
  close(): Promise<void>
}

/** @param where the folder and the settings of all commands */
export const openCommands = async ({ cwd, env }: Omit<CommandAsked, 'args'>): Promise<Commands> => {
  const child = fork(new URL('./cli-process.js', import.meta.url), {
    cwd,
    env: { PATH: process.env['PATH'] ?? '', ...env },
    execArgv: ['--enable-source-maps'],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  const gone = new AbortController()
  child.once('exit', (code, signal) =>
    gone.abort(new Error(`the process of the commands ended with ${code ?? signal}`)),
  )
  const answer = async (): Promise<unknown> => {
    const [message] = (await once(child, 'message', { signal: gone.signal })) as unknown[]
    return message
  }
  await answer()
  let last: Promise<unknown> = Promise.resolve()
  return {
    run: (args, folder = cwd) => {
      const turn = async (): Promise<CommandEnded> => {
        const answered = answer()
        child.send({ args, cwd: folder, env } satisfies CommandAsked)
        return (await answered) as CommandEnded
      }
      const ended = last.then(turn, turn)
      last = ended
      return ended
    },
    close: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return
      const exited = once(child, 'exit')
      child.disconnect()
      await exited
    },
  }
}
