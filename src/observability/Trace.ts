/**
 * Where a piece of work stands in a trace: W3C Trace Context, `traceparent`, version 00.
 *
 * What is not of that form is no trace, never an error, and nothing of it is kept: of what a caller sends only the two
 * ids and the flag `sampled` go on, 55 characters when they are written again. Another version is no trace, too; `tracestate` is not read.
 *
 * Source: https://www.w3.org/TR/trace-context/, section 3.2.
 */

export interface Trace {
  /** 32 hexadecimal digits, not all zero. */
  readonly traceId: string
  /** 16 hexadecimal digits, not all zero: whoever comes next is its child. */
  readonly spanId: string
  readonly sampled: boolean
}

export const traceparentLength = 55
const pattern = /^00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})$/u

/** Null for what is no `traceparent`. */
export const parseTraceparent = (text: string | null): Trace | null => {
  if (text?.length !== traceparentLength) return null
  const [, traceId, spanId, flags] = pattern.exec(text) ?? []
  return traceId === undefined || spanId === undefined || flags === undefined
    ? null
    : { traceId, spanId, sampled: (Number.parseInt(flags, 16) & 1) === 1 }
}

/** Flags that nobody here knows are not passed on. */
export const formatTraceparent = ({ sampled, spanId, traceId }: Trace): string =>
  `00-${traceId}-${spanId}-${sampled ? "01" : "00"}`
