/** Reads the first item of `source` now, so that it is there, or nearly, when somebody asks. Iterate it once. */
export const startEarly = <T>(source: AsyncIterable<T>): AsyncIterable<T> => {
  const iterator = source[Symbol.asyncIterator]()
  let first: Promise<IteratorResult<T>> | undefined = iterator.next()
  // Whoever iterates sees its failure; until then it is not unhandled.
  first.catch(() => {})
  const next = (): Promise<IteratorResult<T>> => {
    const item = first ?? iterator.next()
    first = undefined
    return item
  }
  const stop = async (): Promise<IteratorResult<T>> =>
    (await iterator.return?.()) ?? { done: true, value: undefined }
  return { [Symbol.asyncIterator]: () => ({ next, return: stop }) }
}
