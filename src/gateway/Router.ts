/** Which row a path and a method are; what methods a path has. Built once, from the table. */
import type { Row } from "./Row.ts"

export type Routed<R> =
  | { readonly found: true; readonly row: R; readonly path: Readonly<Record<string, string>> }
  /** No path of the table; or a path that has other methods. */
  | { readonly found: false; readonly allow: ReadonlyArray<string> }

const namePattern = /^\{([A-Za-z_]+)\}$/u

const match = (
  pattern: ReadonlyArray<string>,
  parts: ReadonlyArray<string>
): Readonly<Record<string, string>> | null => {
  if (pattern.length !== parts.length) return null
  const path: Record<string, string> = {}
  for (const [at, expected] of pattern.entries()) {
    const part = parts[at]!
    const name = namePattern.exec(expected)?.[1]
    if (name === undefined) {
      if (part !== expected) return null
    } else if (part === "") return null
    else path[name] = part
  }
  return path
}

export const makeRouter = <R extends Pick<Row, "path"> & { readonly method: string }>(rows: ReadonlyArray<R>) => {
  const patterns = rows.map((row) => ({ row, pattern: row.path.slice(1).split("/") }))
  return (method: string, parts: ReadonlyArray<string>): Routed<R> => {
    const found = patterns.flatMap(({ pattern, row }) => {
      const path = match(pattern, parts)
      return path === null ? [] : [{ row, path }]
    })
    const one = found.find(({ row }) => row.method === method)
    return one === undefined ? { found: false, allow: found.map(({ row }) => row.method) } : { found: true, ...one }
  }
}
