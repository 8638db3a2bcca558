/** What was written, by whom: one row per write. */
import { z } from 'zod'
import type { Page, PageRequest } from '../core/page.ts'

export const AuditRow = z.object({
  id: z.int(),
  at: z.iso.datetime(),
  actor: z.string(),
  action: z.string(),
  target: z.string(),
  before: z.unknown(),
  after: z.unknown(),
  trace_id: z.string().nullable(),
})
export type AuditRow = z.infer<typeof AuditRow>

export interface AuditEntry {
  readonly actor: string
  /** e.g. `POST /api/v1/configs` or `cli keys create` */
  readonly action: string
  readonly target: string
  readonly before?: unknown
  readonly after?: unknown
  readonly traceId?: string
}

export interface AuditLog {
  append(entry: AuditEntry): Promise<void>
  list(filter: { readonly actor?: string }, page: PageRequest): Promise<Page<AuditRow>>
}
