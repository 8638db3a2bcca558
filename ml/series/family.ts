/**
 * What a family of series models is to those who fit, store and open members: a fit leaves tensors behind, and
 * opening reads them back, trusting nothing.
 */
import { ArtifactFormatError } from '../artifact/safetensors.ts'
import type { Tensor } from '../artifact/safetensors.ts'
import { channelOf } from './frame.ts'
import type { MemberSpec } from './member.ts'

/** A member and the columns it reads. */
export interface MemberPlan {
  readonly spec: MemberSpec
  /** Rows are reduced windows: each stands for itself. */
  readonly isWaveform: boolean
  /** Where the columns of the member's channels are among those of a frame, ascending; at least one. */
  readonly places: readonly number[]
  /** Their names. */
  readonly columns: readonly string[]
}

/** What a fit leaves behind: with the plan, all it takes to judge. */
export interface FittedMember {
  /** A score strictly above is an anomaly. */
  readonly threshold: number
  /** Share of the rows it learnt from that it calls anomalies. */
  readonly flagRate: number
  /** By names of the family's own, without `/`. */
  readonly tensors: ReadonlyMap<string, Tensor>
}

/** A member cannot be learnt from these points; the message is for the trainer to read. */
export class FitError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'FitError'
  }
}

/**
 * @param names of all columns of the frame
 * @returns null when a channel of the member has no column
 */
export const planMember = (
  spec: MemberSpec,
  isWaveform: boolean,
  names: readonly string[],
): MemberPlan | null => {
  const places = names.flatMap((name, place) => (spec.channels.includes(channelOf(name)) ? [place] : []))
  const columns = places.map((place) => names[place] as string)
  const found = new Set(columns.map(channelOf))
  const isWhole = places.length > 0 && spec.channels.every((channel) => found.has(channel))
  return isWhole ? { spec, isWaveform, places, columns } : null
}

/** A parameter every member of the family has. */
export const paramOf = ({ name, params }: MemberSpec, param: string): number => {
  const value = Object.hasOwn(params, param) ? params[param] : undefined
  if (value === undefined) throw new ArtifactFormatError(`member ${name} has no ${param}`)
  return value
}

type Kind<T extends Tensor> = new (length: number) => T

/** The tensors of one member, of a file somebody may have damaged. All are views on it. */
export interface MemberTensors {
  /** @throws ArtifactFormatError when it is not there, or of another type or length */
  take<T extends Tensor>(name: string, kinds: readonly Kind<T>[], length?: number): T
  /** The same, every value finite. */
  takeFinite<T extends Float64Array | Float32Array>(name: string, kind: Kind<T>, length?: number): T
}

/** @param taken collects what was read, so that a file with tensors nobody knows can be refused */
export const memberTensors = (
  tensors: ReadonlyMap<string, Tensor>,
  member: string,
  taken: Set<string>,
): MemberTensors => {
  const take: MemberTensors['take'] = (name, kinds, length) => {
    const key = `${member}/${name}`
    const tensor = tensors.get(key)
    for (const kind of kinds) {
      if (!(tensor instanceof kind) || (length !== undefined && tensor.length !== length)) continue
      taken.add(key)
      return tensor
    }
    throw new ArtifactFormatError(`tensor ${key} is missing or of another type or length`)
  }
  const takeFinite: MemberTensors['takeFinite'] = (name, kind, length) => {
    const tensor = take(name, [kind], length)
    for (let i = 0; i < tensor.length; i++) {
      if (!Number.isFinite(tensor[i])) throw new ArtifactFormatError(`tensor ${member}/${name} is not finite`)
    }
    return tensor
  }
  return { take, takeFinite }
}
