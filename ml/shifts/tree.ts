/** The entities of an account in an order in which what is added up lies side by side. */
import type { AccountEntity } from './account.ts'
import { LEVELS_UP } from './level-name.ts'

export interface Tree {
  /** Campaigns and who stands for itself first; children of one parent are neighbours, in the account's order. */
  readonly entities: readonly AccountEntity[]
  /** Index of each among the account's. */
  readonly indices: Int32Array
  /** Children of i: from `first[i]` up to, without, `end[i]`. */
  readonly first: Int32Array
  readonly end: Int32Array
  /** Place of the parent of each; -1: none. */
  readonly parent: Int32Array
  /** From the ads up; within a level in the account's order. */
  readonly up: Int32Array
  /** Index of the level of each, from the ads up. */
  readonly levels: Uint8Array
  /** First day each runs. */
  readonly starts: Int32Array
  /** All below each; and those of them without children, of who has none itself. */
  readonly below: readonly Int32Array[]
  readonly leaves: readonly Int32Array[]
}

export const treeOf = (entities: readonly AccountEntity[]): Tree => {
  const n = entities.length
  const children: number[][] = entities.map(() => [])
  entities.forEach(({ parent }, i) => children[parent]?.push(i))
  const indices = new Int32Array(n)
  const first = new Int32Array(n)
  const end = new Int32Array(n)
  let placed = 0
  entities.forEach(({ parent }, i) => {
    if (!entities[parent]) indices[placed++] = i
  })
  for (let at = 0; at < placed; at++) {
    first[at] = placed
    for (const child of children[indices[at] as number] as number[]) indices[placed++] = child
    end[at] = placed
  }
  const places = new Int32Array(n)
  indices.forEach((i, at) => {
    places[i] = at
  })
  const parent = new Int32Array(n).fill(-1)
  for (let at = 0; at < n; at++) parent.fill(at, first[at], end[at])
  const up = LEVELS_UP.flatMap((level) =>
    entities.flatMap((entity, i) => (entity.level === level ? [places[i] as number] : [])),
  )
  const none = new Int32Array(0)
  const below = entities.map(() => none)
  const leaves = entities.map(() => none)
  for (let at = n - 1; at >= 0; at--) {
    const all: number[] = []
    const ends: number[] = []
    for (let child = first[at] as number; child < (end[at] as number); child++) {
      all.push(child, ...(below[child] as Int32Array))
      ends.push(...(leaves[child] as Int32Array))
    }
    below[at] = Int32Array.from(all)
    leaves[at] = Int32Array.from(all.length > 0 ? ends : [at])
  }
  return {
    entities: Array.from(indices, (i) => entities[i] as AccountEntity),
    indices,
    first,
    end,
    parent,
    up: Int32Array.from(up),
    levels: Uint8Array.from(indices, (i) => LEVELS_UP.indexOf((entities[i] as AccountEntity).level)),
    starts: Int32Array.from(indices, (i) => (entities[i] as AccountEntity).start),
    below,
    leaves,
  }
}

/** Whether i has children. */
export const isSumOf = ({ first, end }: Tree, i: number): boolean => (end[i] as number) > (first[i] as number)

/** Places of the children of i. */
export const childrenOf = ({ first, end }: Tree, i: number): number[] =>
  Array.from({ length: (end[i] as number) - (first[i] as number) }, (_, k) => (first[i] as number) + k)

/** Place of the campaign of i. */
export const topOf = ({ parent }: Tree, i: number): number => {
  let top = i
  while ((parent[top] as number) >= 0) top = parent[top] as number
  return top
}
