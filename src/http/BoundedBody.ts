/**
 * The whole body of another system's answer, of at most so many bytes: the one reader of all that ask others over HTTP.
 *
 * Counted is what arrives, not what was announced; an announcement that is too long is enough to give up. Leaving the loop
 * ends the stream under it, so that nothing more is read.
 */

/** The answer is longer than allowed. */
export class BodyTooLong extends Error {
  constructor() {
    super("the answer is longer than allowed")
  }
}

/**
 * Rejects with `BodyTooLong`, or with what the stream fails with.
 *
 * @param chunks null: there is no body
 * @param announced `Content-Length`, if there was one
 * @param kept where what arrives is put, the piece that was too much among it, for who has to have it though it did not come whole
 */
export const readBody = async (
  chunks: AsyncIterable<Uint8Array> | null,
  bytesMax: number,
  announced: string | null = null,
  kept: Array<Uint8Array> = []
): Promise<Buffer> => {
  if (Number(announced ?? "0") > bytesMax) throw new BodyTooLong()
  let bytes = 0
  for await (const chunk of chunks ?? []) {
    bytes += chunk.byteLength
    kept.push(chunk)
    if (bytes > bytesMax) throw new BodyTooLong()
  }
  return Buffer.concat(kept)
}

/** Throws a `TypeError` for what is no UTF-8. */
export const textOf = (body: Uint8Array): string => new TextDecoder("utf-8", { fatal: true }).decode(body)
