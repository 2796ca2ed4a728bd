/** Token ids as the hot table indexes them. */
import { tokenIdBytes } from "../../schema/EcapReply.ts"

/** Whether a token id has the shape that the table can keep. */
export const fits = (tokenId: string): boolean => tokenId.length === tokenIdBytes && isAscii(tokenId)

const isAscii = (text: string): boolean => {
  for (let index = 0; index < text.length; index++) if (text.charCodeAt(index) > 0x7f) return false
  return true
}

/** 32 bits of a token id (FNV-1a, then mixed). Ids are made by the service, so nobody aims at them. */
export const idTag = (bytes: Uint8Array, start: number): number => {
  let tag = 0x811c9dc5
  for (let index = start; index < start + tokenIdBytes; index++) tag = Math.imul(tag ^ bytes[index]!, 0x01000193)
  tag = Math.imul(tag ^ (tag >>> 16), 0x85ebca6b)
  return tag ^ (tag >>> 13)
}
