/**
 * The look behind `DueWork` on MariaDB: one statement, in which each kind of work is one question along the index that its
 * own search goes along. Where that says yes the search may still find nothing; where it says no it would.
 */
import { Effect, Layer } from "effect"
import * as DueLooks from "../DueLooks.ts"
import { type Ages, DueWork, type Work } from "../DueWork.ts"
import * as Columns from "./Columns.ts"
import { neededSql } from "./load/keyRows.ts"
import { Mariadb } from "./Mariadb.ts"
import { numbersAwaySql } from "./RowNumbers.ts"

interface Question {
  readonly sql: string
  readonly values?: (ages: Ages) => ReadonlyArray<number | string>
}

const asked = (sql: string, values?: Question["values"]): Question =>
  values === undefined ? { sql: `EXISTS (${sql})` } : { sql: `EXISTS (${sql})`, values }

const questions: Readonly<Record<Work, Question>> = {
  "tokens that ended": asked(`SELECT 1 FROM tokens FORCE INDEX (ix_tokens_due) WHERE due_at <= ${Columns.nowSql}`),
  "applications or tenants that were removed": {
    sql: `(EXISTS (SELECT 1 FROM tenants FORCE INDEX (ix_tenants_removed) WHERE removed_at IS NOT NULL)
      OR EXISTS (SELECT 1 FROM applications FORCE INDEX (ix_applications_removed) WHERE removed_at IS NOT NULL))`
  },
  "answers that are too old": asked(
    `SELECT 1 FROM idempotency WHERE created_at < ${Columns.nowSql} - ?`,
    ({ answersMs }) => [answersMs ?? 0]
  ),
  "open revocations of populations": asked(
    "SELECT 1 FROM revoke_all FORCE INDEX (ix_revoke_all_open) WHERE open_since > 0"
  ),
  "keys of removed tenants": asked(
    `SELECT 1 FROM data_keys FORCE INDEX (ix_data_keys_ended) WHERE ended_at IS NOT NULL AND state <> 'active' AND wrapped <> ''
      AND ${Columns.clampedSql("ended_at")} + ${Columns.clampedSql("COALESCE(ended_retention, ?)")} <= ${Columns.nowSql}`,
    ({ retentionMs }) => [retentionMs ?? 0]
  ),
  "keys of the service that were followed": asked(
    "SELECT 1 FROM data_keys FORCE INDEX (ix_data_keys_state) WHERE state = 'retiring' AND tenant_id IS NULL"
  ),
  "rows or keys to be moved": {
    sql: `(EXISTS (SELECT 1 FROM data_keys FORCE INDEX (ix_data_keys_state) WHERE state = 'retiring')
      OR EXISTS (SELECT 1 FROM data_keys k FORCE INDEX (ix_data_keys_state) WHERE k.state = 'retired' AND k.wrapped <> '')
      OR EXISTS (SELECT 1 FROM data_keys WHERE master_key_id <> ? AND wrapped <> '')
      OR EXISTS (SELECT 1 FROM data_keys WHERE active_for = 'seal/' AND uses >= ?)
      OR EXISTS (SELECT 1 FROM key_rotation WHERE ended_at IS NULL))`,
    values: ({ masterKeyId, sealUsesMax }) => [masterKeyId ?? "", sealUsesMax ?? 0]
  },
  // Erased keys stay for ever, and each is asked about.
  "erased keys that rows need": asked(
    `SELECT 1 FROM data_keys k FORCE INDEX (ix_data_keys_state) WHERE k.state = 'retired' AND k.wrapped = '' AND ${neededSql}`
  ),
  "applications out of service": asked("SELECT 1 FROM application_withdrawals"),
  "numbers that ran away": asked(numbersAwaySql),
  "credentials that ended": asked(
    `SELECT 1 FROM credentials FORCE INDEX (ix_credentials_due) WHERE due_at <= ${Columns.nowSql}`
  ),
  "overlaps that are over": asked(
    `SELECT 1 FROM credential_versions FORCE INDEX (ix_credential_versions_overlap) WHERE overlap_due_at <= ${Columns.nowSql}`
  ),
  // Whether one was given already says the search itself.
  "notices to be given": {
    sql: `(EXISTS (SELECT 1 FROM credentials FORCE INDEX (ix_credentials_due) WHERE due_at > ${Columns.nowSql} AND due_at <= ${Columns.nowSql} + ?)
      OR EXISTS (SELECT 1 FROM credentials FORCE INDEX (ix_credentials_refresh_notice) WHERE refresh_noticed_ms >= 0))`,
    values: ({ noticeMs }) => [noticeMs ?? Number.MAX_SAFE_INTEGER]
  },
  "refreshes that are due": asked(
    `SELECT 1 FROM credentials FORCE INDEX (ix_credentials_refresh_due) WHERE refresh_due_at <= ${Columns.nowSql}`
  )
}

/** One statement, by itself. */
export const look =
  (database: Mariadb["Service"]): DueLooks.Look =>
  (work, ages) =>
    database.query("DueWork.look", async (session) => {
      const values = work.flatMap((one) => questions[one].values?.(ages) ?? [])
      const [row = []] = await session.rows(`SELECT ${work.map((one) => questions[one].sql).join(",\n  ")}`, values)
      return new Set(work.filter((_, at) => Columns.whole(row, at) !== 0))
    })

export const layer: Layer.Layer<never, never, Mariadb> = Layer.effect(
  DueWork,
  Effect.flatMap(Mariadb, (database) => DueLooks.make(look(database)))
)
