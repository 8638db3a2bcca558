/** Text in the columns of a terminal or a plain-text mail. */

const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' })
const NARROW = /^[ -\u024F]*$/u
const WIDE = /^[\p{Emoji_Presentation}\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Hangul}]/u

/** What a reader takes for one sign each. */
export const signsOf = (text: string): readonly string[] =>
  Array.from(graphemes.segment(text), ({ segment }) => segment)

const widthOfSign = (sign: string): number => (WIDE.test(sign) ? 2 : 1)

/** Columns a terminal gives the text: names of ads are full of emoji, which take two. */
export const widthOf = (text: string): number =>
  NARROW.test(text) ? text.length : signsOf(text).reduce((sum, sign) => sum + widthOfSign(sign), 0)

/** At most so many columns of the text; what is cut off is told by an ellipsis. */
export const clip = (text: string, width: number): string => {
  if (widthOf(text) <= width) return text
  let kept = ''
  let used = 0
  for (const sign of signsOf(text)) {
    used += widthOfSign(sign)
    if (used > width - 1) break
    kept += sign
  }
  return `${kept}…`
}

/** Names come from imported files: what could move the cursor, colour or reorder the line becomes a space. */
export const printable = (text: string): string =>
  text.replace(/[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]+/gu, ' ').trim()
