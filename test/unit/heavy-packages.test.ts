/** TensorFlow.js costs a process tens of megabytes and a third of a second: only a thread that trains has it. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect } from 'chai'

const run = promisify(execFile)

/** Whether a fresh process that evaluates `text` has TensorFlow.js; its core announces itself globally. */
const hasTensorflow = async (text: string): Promise<boolean> => {
  const script = `${text}; console.log(globalThis._tfengine !== undefined)`
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', script])
  return stdout.trim() === 'true'
}
const importOf = (path: string): string =>
  `const m = await import(${JSON.stringify(new URL(`../../${path}`, import.meta.url).href)})`

describe('TensorFlow.js', () => {
  for (const entry of [
    'api/compose.js',
    'scheduler/compose.js',
    'workers/compose.js',
    'shared/compute/thread.js',
    'cli/program.js',
  ]) {
    it(`is not loaded with ${entry}`, async () => {
      expect(await hasTensorflow(importOf(entry))).to.equal(false)
    })
  }

  it('is loaded by what trains', async () => {
    expect(await hasTensorflow(`${importOf('ml/tensor/load.js')}; await m.loadTensorflow(false)`)).to.equal(
      true,
    )
  })
})
