import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { makeFolders } from '../../../db/make-folder.ts'
import { temporaryFolder } from '../../support/folders.ts'

describe('makeFolders', () => {
  it('makes a folder with its parents, and says whether it did', async () => {
    const path = join(await temporaryFolder(), 'a', 'b', 'c')
    expect(await makeFolders(path)).to.equal(true)
    expect((await stat(path)).isDirectory()).to.equal(true)
    expect(await makeFolders(path)).to.equal(false)
  })

  it('can be asked by many at once', async () => {
    const path = join(await temporaryFolder(), 'a', 'b')
    await Promise.all(Array.from({ length: 8 }, () => makeFolders(path)))
    expect((await stat(path)).isDirectory()).to.equal(true)
  })

  it('gives up where the file system takes no folder', async function () {
    if (process.platform !== 'linux') return
    const error = await makeFolders('/proc/vigia/home').catch((failure: unknown) => failure)
    expect(error).to.be.instanceOf(Error)
  })
})
