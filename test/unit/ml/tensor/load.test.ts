import { expect } from 'chai'
import { loadNative, loadTensorflow } from '../../../../ml/tensor/load.ts'

/** A module of this text, as an import names it. */
const moduleOf = (text: string): string => `data:text/javascript,${encodeURIComponent(text)}`

describe('the native build of TensorFlow.js', () => {
  it('is absent where it is not installed', async () => {
    expect(await loadNative('@tensorflow/not-there')).to.equal(null)
  })

  it('is absent where it throws when it is imported, as without its library', async () => {
    expect(
      await loadNative(moduleOf('throw new Error("The Node.js native addon module can not be found")')),
    ).to.equal(null)
  })

  it('is absent where it is something else', async () => {
    expect(await loadNative(moduleOf('export const version = {}'))).to.equal(null)
    expect(await loadNative(moduleOf('export default { sequential: 1 }'))).to.equal(null)
  })

  it('is found by its names, and where Node sees none of them', async () => {
    const named = await loadNative(
      moduleOf('export const sequential = () => {}, tensor2d = () => {}; export default { tensor2d }'),
    )
    expect(named).to.deep.include({ backend: 'native' })
    const whole = await loadNative(moduleOf('export default { sequential() {}, tensor2d() {} }'))
    expect(whole?.core.tensor2d).to.be.a('function')
    expect(whole?.layers.sequential).to.be.a('function')
  })

  it('is not needed: the pure packages do its work, and are loaded once', async () => {
    const pure = await loadTensorflow(false)
    expect(pure.backend).to.equal('cpu')
    expect(pure.core.getBackend()).to.equal('cpu')
    expect(await loadTensorflow(true)).to.equal(pure)
  })
})
