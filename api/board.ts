/**
 * Bull Board under /admin/queues: admins may act, viewers only look. The board has no access control of its
 * own, so two boards are mounted behind one door: one with actions, one without.
 */
import { createBullBoard } from '@bull-board/api'
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter'
import { ExpressAdapter } from '@bull-board/express'
import type { Queue } from 'bullmq'
import type { Express, RequestHandler, Response } from 'express'
import type { AuditLog } from '../shared/access/audit.ts'
import { mayAct } from '../shared/access/principal.ts'
import { AppError } from '../shared/core/errors.ts'
import type { Caller } from './middleware/serve-route.ts'
import type { Check } from './probes.ts'

export const BOARD_PATH = '/admin/queues'

const READS = new Set(['GET', 'HEAD'])

/** The page asks a font server of others; without it the fonts of the system are used. */
const FOREIGN_LINK = /<link [^>]*href="https?:[^>]*>/g

type Render = (path: string, options: object, done: (error: Error | null, html?: string) => void) => void

const keepPageToItself = (app: Express): void => {
  const { engines } = app as Express & { readonly engines: Readonly<Record<string, Render>> }
  const render = engines['.ejs']
  if (!render) throw new Error('the board renders its page in another way')
  app.engine('ejs', (path, options, done: Parameters<Render>[2]) =>
    render(path, options, (error, html) => done(error, html?.replace(FOREIGN_LINK, ''))),
  )
}

const buildBoard = (queues: readonly Queue[], readOnly: boolean): RequestHandler => {
  const adapter = new ExpressAdapter()
  adapter.setBasePath(BOARD_PATH)
  createBullBoard({
    queues: queues.map((queue) => new BullMQAdapter(queue, { readOnlyMode: readOnly })),
    serverAdapter: adapter,
    options: { uiConfig: { boardTitle: readOnly ? 'vigia (read only)' : 'vigia' } },
  })
  const app = adapter.getRouter() as Express
  app.disable('x-powered-by')
  keepPageToItself(app)
  return app
}

/** @param callerOf what the middleware before found out about the request */
export const createBoard = (
  queues: readonly Queue[],
  checkQueues: Check,
  audit: AuditLog,
  callerOf: (response: Response) => Caller,
): RequestHandler => {
  const full = buildBoard(queues, false)
  const readOnly = buildBoard(queues, true)
  // Without Redis the board would wait for ever, and do what was clicked when Redis comes back.
  const assertQueuesAnswer = async (): Promise<void> => {
    try {
      await checkQueues()
    } catch (error) {
      const advice = 'the queues do not answer; nothing was done, try again shortly'
      throw new AppError('STORAGE_UNAVAILABLE', advice, { retryAfterS: 5 }, { cause: error })
    }
  }
  return async (request, response, next) => {
    const { principal, traceId } = callerOf(response)
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
    if (request.path.startsWith('/api/')) await assertQueuesAnswer()
    // Noted before it is done: the board answers by itself.
    if (!READS.has(request.method)) {
      await audit.append({
        actor: principal.actor,
        action: `${request.method} ${BOARD_PATH}`,
        target: request.originalUrl,
        traceId,
      })
    }
    const board = admin ? full : readOnly
    board(request, response, next)
  }
}
