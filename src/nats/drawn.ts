/**
 * Where something is answered, drawn by lot: a server delivers stored messages onto any subject that is named to it, so
 * nobody may foresee it, nor tell it from where anything else was answered. The library's names follow each other.
 */
import { randomBytes, randomInt } from "node:crypto"

/** More than anybody can try while a question is open. */
const numbersMax = 2 ** 48 - 1

/** An inbox under the connection's own prefix. */
export const drawInbox = (inboxPrefix: string): string => `${inboxPrefix}.${randomBytes(16).toString("hex")}`

/** Of one question in an inbox. */
export const drawNumber = (): number => randomInt(numbersMax)
