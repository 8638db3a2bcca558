/**
 * Bull Board under /admin/queues: admins may act, viewers only look. The board has no access control of its
 * own, so two boards are mounted behind one door: one with actions, one without.
 */
import { createBullBoard } from '@bull-board/api'
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter'
import { ExpressAdapter } from '@bull-board/express'
import type { Queue } from 'bullmq'
import type { RequestHandler, Response } from 'express'
import { mayAct } from '../shared/access/principal.ts'
import type { Principal } from '../shared/access/principal.ts'
import { AppError } from '../shared/core/errors.ts'

export const BOARD_PATH = '/admin/queues'

const READS = new Set(['GET', 'HEAD'])

const buildBoard = (queues: readonly Queue[], readOnly: boolean): RequestHandler => {
  const adapter = new ExpressAdapter()
  adapter.setBasePath(BOARD_PATH)
  createBullBoard({
    queues: queues.map((queue) => new BullMQAdapter(queue, { readOnlyMode: readOnly })),
    serverAdapter: adapter,
    options: { uiConfig: { boardTitle: readOnly ? 'vigia (read only)' : 'vigia' } },
  })
  return adapter.getRouter() as RequestHandler
}

/** @param principalOf what the middleware before found out about the caller */
export const createBoard = (
  queues: readonly Queue[],
  principalOf: (response: Response) => Principal,
): RequestHandler => {
  const full = buildBoard(queues, false)
  const readOnly = buildBoard(queues, true)
  return (request, response, next) => {
    const principal = principalOf(response)
    // Jobs of all configs are on the board; who may see some configs only may not see it.
    if (principal.configIds)
      throw new AppError('FORBIDDEN', 'the board shows all configs; this key may see some only')
    const admin = mayAct(principal, 'admin')
    if (!admin && !READS.has(request.method)) {
      throw new AppError(
        'FORBIDDEN',
        `acting on the board needs the role admin; ${principal.actor} has ${principal.role}`,
      )
    }
    const board = admin ? full : readOnly
    board(request, response, next)
  }
}
