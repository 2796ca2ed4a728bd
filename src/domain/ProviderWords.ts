/**
 * What a provider says in words, made fit for an audit: it may repeat what it was sent, in any form, whole or
 * in part. Pure; the time it takes grows with the length of the text and of what was sent.
 */

const secretLike = /[A-Za-z0-9._~+/=-]{20,}/gu

/** Of ASCII only, so that every character keeps its place. */
const lowerCase = (text: string): string => text.replace(/[A-Z]/gu, (letter) => letter.toLowerCase())

/** Each way in which a provider may write what it was sent. */
const formsOf = (secret: string): ReadonlyArray<string> => {
  const bytes = Buffer.from(secret, "utf8")
  // Behind other bytes (an id and a colon, say) base64 reads differently but for its first characters.
  const inBase64 = [0, 1, 2].map((offset) =>
    Buffer.concat([Buffer.alloc(offset), bytes])
      .toString("base64")
      .slice(offset === 0 ? 0 : offset + 1)
      .replace(/=+$/u, "")
  )
  const url = inBase64.map((text) => text.replaceAll("+", "-").replaceAll("/", "_"))
  return [
    secret,
    encodeURIComponent(secret),
    JSON.stringify(secret).slice(1, -1),
    bytes.toString("hex"),
    ...inBase64,
    ...url
  ]
}

/** So many characters in a row of what was sent are a part of it, and not the same word by chance. */
const partLength = 8

/** The text on one line, without what was sent, whole or in part, and without whatever looks like a token. */
export const wordsWithout = (text: string, sent: ReadonlyArray<string>): string => {
  const lower = lowerCase(text)
  const parts = new Set<string>()
  for (const form of sent.filter((secret) => secret !== "").flatMap(formsOf)) {
    const piece = lowerCase(form)
    if (piece.length < partLength) parts.add(piece)
    for (let at = 0; at + partLength <= piece.length; at++) parts.add(piece.slice(at, at + partLength))
  }
  const lengths = [...new Set(Array.from(parts, ({ length }) => length))]
  const isHidden = new Uint8Array(lower.length)
  for (let at = 0; at < lower.length; at++) {
    for (const length of lengths) if (parts.has(lower.slice(at, at + length))) isHidden.fill(1, at, at + length)
  }
  let shown = ""
  for (let at = 0; at < text.length; at++) {
    if (isHidden[at] === 0) shown += text[at]
    else if (at === 0 || isHidden[at - 1] === 0) shown += "[hidden]"
  }
  return shown
    .replace(secretLike, "[hidden]")
    .replace(/\p{C}+/gu, " ")
    .toWellFormed()
}
