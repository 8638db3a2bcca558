import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { realpath } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { expect } from 'chai'
import {
  isRunning,
  mayServe,
  ownIdentity,
  parseIdentity,
  startMarkOf,
} from '../../../../db/embedded/processes.ts'
import { eventually } from '../../../support/eventually.ts'

describe('the identity of a process', () => {
  it('holds for this process and survives being written down', () => {
    const own = ownIdentity()
    expect(own.pid).to.equal(process.pid)
    expect(isRunning(own)).to.equal(true)
    expect(parseIdentity(JSON.stringify(own))).to.deep.equal(own)
  })

  it('does not hold for another process with the same pid', () => {
    expect(isRunning({ pid: process.pid, startedAt: 'long ago' })).to.equal(false)
  })

  it('ends with the process', async () => {
    const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { cwd: tmpdir() })
    const pid = child.pid ?? 0
    await once(child, 'spawn')
    const identity = { pid, startedAt: startMarkOf(pid) ?? '' }
    expect(isRunning(identity)).to.equal(true)
    expect(mayServe(pid, await realpath(tmpdir()))).to.equal(true)
    if (process.platform === 'linux') expect(mayServe(pid, '/var/lib/elsewhere')).to.equal(false)
    child.kill('SIGKILL')
    await once(child, 'exit')
    expect(isRunning(identity)).to.equal(false)
    expect(mayServe(pid, await realpath(tmpdir()))).to.equal(false)
  })

  if (process.platform === 'linux') {
    it('counts a zombie as gone', async () => {
      // The shell's child ends while the shell has become sleep, which never asks for it.
      const shell = spawn('/bin/sh', ['-c', 'sh -c "echo \\$\\$" & exec sleep 30'])
      const [line] = (await once(shell.stdout, 'data')) as [Buffer]
      const pid = Number(line.toString())
      try {
        await eventually('it ends', () => startMarkOf(pid) === null)
        expect(() => process.kill(pid, 0)).to.not.throw()
      } finally {
        shell.kill('SIGKILL')
        await once(shell, 'exit')
      }
    })
  }

  it('is not read from anything else', () => {
    for (const text of ['', 'null', '12', '{}', '{"pid":"1","startedAt":"x"}', '{"pid":1}', '{"pid":1,']) {
      expect(parseIdentity(text), text).to.equal(null)
    }
  })
})
