import { expect } from 'chai'
import { readText } from '../../../../../shared/entities/csv/text.ts'

const textOf = async (...chunks: readonly (readonly number[])[]): Promise<string> => {
  const source = async function* (): AsyncGenerator<Uint8Array> {
    for (const chunk of chunks) yield Uint8Array.from(chunk)
  }
  let text = ''
  for await (const slice of readText(source())) text += slice
  return text
}

const refusal = async (...chunks: readonly (readonly number[])[]): Promise<string> => {
  try {
    await textOf(...chunks)
  } catch (error) {
    return (error as Error).message
  }
  throw new Error('was read')
}

describe('text of a file', () => {
  it('is read whatever chunks its first bytes come in', async () => {
    expect(await textOf([0x61])).to.equal('a')
    expect(await textOf([0x61], [0x2c, 0x62], [0x0a, 0x31])).to.equal('a,b\n1')
    expect(await textOf([0xef], [0xbb, 0xbf, 0x61])).to.equal('a')
    expect(await textOf([0xff], [0xfe], [0x61, 0x00, 0x62, 0x00])).to.equal('ab')
    expect(await textOf([0xff, 0xfe, 0x61], [0x00])).to.equal('a')
    expect(await textOf()).to.equal('')
  })

  it('is not in a workbook, which is told from bytes of another encoding', async () => {
    for (const mark of [
      [0x50, 0x4b, 0x03, 0x04],
      [0xd0, 0xcf, 0x11, 0xe0],
    ]) {
      expect(await refusal([...mark, 0x00]))
        .to.contain('Excel workbook')
        .and.contain('.csv')
      expect(await refusal(mark.slice(0, 2), mark.slice(2))).to.contain('Excel workbook')
    }
    expect(await textOf([0x50, 0x4b, 0x2c, 0x61])).to.equal('PK,a')
    expect(await refusal([0x61, 0x2c, 0xe9, 0x0a])).to.contain('not UTF-8: near line 1')
  })
})
