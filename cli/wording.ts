/**
 * Services say what to do next as callers of the API do it. Who sits at a terminal is told the command instead.
 */
const COMMANDS: readonly (readonly [RegExp, string])[] = [
  [
    /list them with GET \/api\/v1\/(?:ml\/)?(anomalies|incidents|mutes|runs|schedules|webhooks)\b(?!\/)/g,
    'list them with "vigia $1 list"',
  ],
  [/list them with GET \/api\/v1\/ml\/models\b(?!\/)/g, 'list them with "vigia models list --config ID"'],
  [/list them with GET \/api\/v1\/ml\/recommendations\b(?!\/)/g, 'list them with "vigia advice list"'],
  [
    /list them with GET \/api\/v1\/series\/(\w+)\/versions\b(?!\/)/g,
    'list them with "vigia series versions $1"',
  ],
  [/with POST \/api\/v1\/series\/(\w+)\/train\b/g, 'with "vigia series train FILE --series $1"'],
  [/with POST \/api\/v1\/series\/(\w+)\/versions\/(v\d+)\/restore\b/g, 'with "vigia series restore $1 $2"'],
  [/with POST \/api\/v1\/ml\/models\/train\b/g, 'with "vigia train"'],
  [/name one with \{"to":"(v\d+)"\}/g, 'name one with --to $1'],
]

/** @param message of a service, or of anything else, which stays as it is */
export const forTerminal = (message: string): string =>
  COMMANDS.reduce((text, [call, command]) => text.replace(call, command), message)
