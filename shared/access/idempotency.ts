/** Replies kept under the caller's `Idempotency-Key`, so that a repeated request is answered, not done again. */

export interface KeptReply {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: unknown
}

export interface RequestName {
  readonly principal: string
  readonly key: string
  readonly method: string
  readonly path: string
  readonly bodySha256: string
}

export type Reservation =
  | { readonly kind: 'fresh' }
  | { readonly kind: 'replay'; readonly reply: KeptReply }
  /** The key was used for another request. */
  | { readonly kind: 'mismatch' }
  /** The first request with this key is still being answered. */
  | { readonly kind: 'busy' }

export interface IdempotencyStore {
  /** Takes the key for 24 h; a reservation whose request died is taken over after a minute. */
  reserve(request: RequestName): Promise<Reservation>
  keep(request: RequestName, reply: KeptReply): Promise<void>
  /** Gives the key back after a reply that must not be kept (server errors). */
  release(request: RequestName): Promise<void>
}
