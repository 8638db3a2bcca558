/** What people type: files and numbers, refused with what would do before anything is opened. */
import { stat } from 'node:fs/promises'
import { AppError, messageOf } from '../shared/core/errors.ts'

/** @returns its size in bytes */
export const sizeOfFile = async (path: string): Promise<number> => {
  try {
    const found = await stat(path)
    if (found.isFile()) return found.size
  } catch (error) {
    throw new AppError('INVALID_REQUEST', `${path} cannot be read: ${messageOf(error)}`, {}, { cause: error })
  }
  throw new AppError('INVALID_REQUEST', `${path} is not a file`)
}

/** Days back of a list: at most a quarter. */
export const MOST_DAYS_BACK = 90

export const daysBack = (text: string): number => {
  const days = Number(text)
  if (!Number.isInteger(days) || days < 1 || days > MOST_DAYS_BACK)
    throw new AppError('INVALID_REQUEST', `--days: is a whole number from 1 to ${MOST_DAYS_BACK}`)
  return days
}
