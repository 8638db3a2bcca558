import { readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { withFileLock } from '../../../../db/embedded/file-lock.ts'
import { ownIdentity } from '../../../../db/embedded/processes.ts'
import { AppError } from '../../../../shared/core/errors.ts'
import { temporaryFolder } from '../../../support/folders.ts'

const DEAD = JSON.stringify({ pid: 1, startedAt: 'long ago', nonce: '00000000-0000-4000-8000-000000000000' })

describe('a lock between processes', () => {
  let folder: string
  let path: string
  beforeEach(async () => {
    folder = await temporaryFolder()
    path = join(folder, 'lock')
  })
  afterEach(() => rm(folder, { recursive: true, force: true }))

  it('lets one work at a time, answers what the work answers, and leaves nothing', async () => {
    let inside = 0
    let most = 0
    const work = async (answer: number): Promise<number> => {
      most = Math.max(most, (inside += 1))
      await readFile(path)
      inside -= 1
      return answer
    }
    const answers = await Promise.all([1, 2, 3, 4, 5].map((n) => withFileLock(path, 10_000, () => work(n))))
    expect(answers).to.deep.equal([1, 2, 3, 4, 5])
    expect(most).to.equal(1)
    expect(await readdir(folder)).to.not.include('lock')
  })

  it('is given back when the work fails', async () => {
    let refusal: unknown
    await withFileLock(path, 1000, () => Promise.reject(new Error('work'))).catch(
      (error: unknown) => (refusal = error),
    )
    expect(String(refusal)).to.equal('Error: work')
    expect(await withFileLock(path, 1000, () => Promise.resolve('next'))).to.equal('next')
  })

  it('is taken from a dead holder by one of many, never by two', async () => {
    for (let round = 0; round < 10; round++) {
      await writeFile(path, DEAD)
      let inside = 0
      let most = 0
      await Promise.all(
        Array.from({ length: 8 }, () =>
          withFileLock(path, 10_000, async () => {
            most = Math.max(most, (inside += 1))
            await readFile(path)
            inside -= 1
          }),
        ),
      )
      expect(most).to.equal(1)
    }
    expect((await readdir(folder)).filter((name) => name.startsWith('lock'))).to.deep.equal([])
  })

  it('is taken although whoever tried it first was killed on the way', async () => {
    await writeFile(path, DEAD)
    await writeFile(`${path}.break-00000000-0000-4000-8000-000000000000`, DEAD)
    expect(await withFileLock(path, 10_000, () => Promise.resolve('taken'))).to.equal('taken')
    expect((await readdir(folder)).filter((name) => name.startsWith('lock'))).to.deep.equal([])
  })

  it('gives a holder that has not written yet its time, and takes the lock of one that never did', async () => {
    await writeFile(path, '')
    let refusal: unknown
    await withFileLock(path, 100, () => Promise.resolve()).catch((error: unknown) => (refusal = error))
    expect(refusal).to.be.instanceOf(AppError)
    const old = new Date(Date.now() - 60_000)
    await utimes(path, old, old)
    expect(await withFileLock(path, 1000, () => Promise.resolve('taken'))).to.equal('taken')
  })

  it('names the living holder when it waits no longer', async () => {
    await writeFile(path, JSON.stringify(ownIdentity()))
    let refusal: unknown
    await withFileLock(path, 100, () => Promise.resolve()).catch((error: unknown) => (refusal = error))
    expect((refusal as AppError).code).to.equal('STORAGE_UNAVAILABLE')
    expect((refusal as AppError).message).to.include(`process ${process.pid}`)
  })
})
