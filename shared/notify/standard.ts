/**
 * Messages in the form of Standard Webhooks 1.0.0 (standardwebhooks.com): an id that stays the same however often it
 * is sent, the time of the try, and HMAC-SHA256 signatures over both and the body.
 */
import { createHmac, randomBytes } from 'node:crypto'

const PREFIX = 'whsec_'
/** 192 to 512 bits are asked for. */
const SECRET_BYTES = 32

/** A secret as receivers take it: `whsec_` and base64. */
export const newSecret = (): string => `${PREFIX}${randomBytes(SECRET_BYTES).toString('base64')}`

/** Neither may hold a full stop, which parts what is signed. */
export const messageIdOf = (uuid: string): string => `msg_${uuid.replaceAll('-', '')}`

const signatureOf = (secret: string, content: string): string => {
  const key = Buffer.from(secret.slice(PREFIX.length), 'base64')
  return `v1,${createHmac('sha256', key).update(content).digest('base64')}`
}

/** @param secrets one, and while it is being replaced also the one before: a signature by each */
export const standardHeaders = (
  messageId: string,
  at: Date,
  body: string,
  secrets: readonly string[],
): Readonly<Record<string, string>> => {
  const timestamp = Math.floor(at.getTime() / 1000)
  const content = `${messageId}.${timestamp}.${body}`
  return {
    'webhook-id': messageId,
    'webhook-timestamp': String(timestamp),
    'webhook-signature': secrets.map((secret) => signatureOf(secret, content)).join(' '),
  }
}
