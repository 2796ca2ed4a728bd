/**
 * Which sequences of writes a connection sends as one statement with their COMMIT; others are sent one by one.
 *
 * It takes so many at a time, since each is prepared by itself. Where it has as many, one that is met a second time takes
 * the place of the one that was not met for longest; of those met once as many are remembered. So rare ones keep no place,
 * and those that come and go by the thousand push out none that comes often. What lost its place stays prepared until the
 * connector closes it: a connection keeps `preparedMax` statements of all kinds.
 */
export const committingsMax = 64

const forgetFirst = (sqls: Set<string>): void => {
  for (const first of sqls) {
    sqls.delete(first)
    return
  }
}

/** For one connection. Answers whether this sequence is sent as one. */
export const make = (): ((sql: string) => boolean) => {
  const taken = new Set<string>()
  const metOnce = new Set<string>()
  return (sql) => {
    const isFull = !taken.delete(sql) && taken.size >= committingsMax
    if (isFull && !metOnce.delete(sql)) {
      if (metOnce.size >= committingsMax) forgetFirst(metOnce)
      metOnce.add(sql)
      return false
    }
    if (isFull) forgetFirst(taken)
    taken.add(sql)
    return true
  }
}
