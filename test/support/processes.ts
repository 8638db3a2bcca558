/** Child processes of tests: started by file, watched by their lines, ended by pid. */
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { eventually } from './eventually.ts'

export interface ExitOf {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

export interface TestProcess {
  readonly pid: number
  /** What it wrote, stdout and stderr in the order of arrival. */
  readonly lines: readonly string[]
  readonly exited: Promise<ExitOf>
  /** The first line that matches, also one written before the call. */
  line(pattern: RegExp): Promise<string>
  /** Writes a line to its stdin. */
  tell(text: string): void
  /** Signals it and waits for its end. */
  end(signal?: NodeJS.Signals): Promise<ExitOf>
}

export interface ProcessOptions {
  readonly args?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  /** Needs the tests to run as root. */
  readonly uid?: number
}

/** Runs a compiled file with this Node. */
export const startProcess = (file: URL | string, options: ProcessOptions = {}): TestProcess => {
  const path = typeof file === 'string' ? file : file.pathname
  const child = spawn(process.execPath, ['--enable-source-maps', path, ...(options.args ?? [])], {
    env: { ...process.env, ...options.env },
    stdio: ['pipe', 'pipe', 'pipe'],
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.uid === undefined ? {} : { uid: options.uid, gid: options.uid }),
  })
  if (child.pid === undefined) throw new Error(`${path} cannot be started`)
  const lines: string[] = []
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (line) => lines.push(line))
  }
  // Writing to a process that just ended is no failure of the test.
  child.stdin.on('error', () => undefined)
  let over = false
  const exited = new Promise<ExitOf>((resolve) => {
    child.once('close', (code, signal) => {
      over = true
      resolve({ code, signal })
    })
  })
  return {
    pid: child.pid,
    lines,
    exited,
    line: async (pattern) => {
      const found = await eventually(`${pattern} from ${path}`, () => {
        const line = lines.find((text) => pattern.test(text))
        return line ?? (over ? { ended: true } : null)
      })
      if (typeof found === 'string') return found
      throw new Error(`${path} ended without ${pattern}:\n${lines.join('\n')}`)
    },
    tell: (text) => void child.stdin.write(`${text}\n`),
    end: async (signal = 'SIGKILL') => {
      child.kill(signal)
      return exited
    },
  }
}
