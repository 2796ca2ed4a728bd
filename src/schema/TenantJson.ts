/** `tenants.*`: what travels. */
import { Schema } from "effect"
import { audiencePattern, issuerPattern } from "../domain/Issuer.ts"
import { batchItemsMax } from "../domain/Names.ts"
import type { TenantLimitName } from "../domain/PlatformSettings.ts"
import { settingsOf, type Tenant } from "../domain/Tenant.ts"
import { AnsweredDate, Cursor, Limit, NameText, page, TenantId } from "./Field.ts"
import { formatDate, IsoDuration } from "./Timestamp.ts"

const IssuerText = Schema.String.check(Schema.isPattern(issuerPattern))
const Audience = Schema.String.check(Schema.isPattern(audiencePattern))
const limitMax = 1_000_000_000
const LimitValue = Schema.NullOr(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: limitMax })))
const BatchItems = Schema.NullOr(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: batchItemsMax })))

/** Null gives the default back. */
const Limits = Schema.Struct({
  requestsInFlight: Schema.optionalKey(LimitValue),
  missesPerSecond: Schema.optionalKey(LimitValue),
  tokens: Schema.optionalKey(LimitValue),
  credentials: Schema.optionalKey(LimitValue),
  clientCredentials: Schema.optionalKey(LimitValue),
  loginsPerSecond: Schema.optionalKey(LimitValue),
  batchItems: Schema.optionalKey(BatchItems)
} satisfies Record<TenantLimitName, unknown>)

export const CreateTenant = Schema.Struct({
  tenantId: TenantId,
  name: Schema.optionalKey(NameText),
  issuer: Schema.optionalKey(IssuerText),
  audience: Schema.optionalKey(Audience),
  jwksUri: Schema.optionalKey(IssuerText)
})
export const ConfigureTenant = Schema.Struct({
  tenantId: TenantId,
  name: Schema.optionalKey(NameText),
  issuer: Schema.optionalKey(Schema.NullOr(IssuerText)),
  audience: Schema.optionalKey(Audience),
  jwksUri: Schema.optionalKey(Schema.NullOr(IssuerText)),
  retention: Schema.optionalKey(Schema.NullOr(IsoDuration)),
  limits: Schema.optionalKey(Limits)
})
export const ResolveIssuer = Schema.Struct({ issuer: IssuerText })
export const ResolveAnswer = Schema.Struct({ tenantId: Schema.String })
export const RemoveTenant = Schema.Struct({ tenantId: TenantId })
export const ListTenants = Schema.Struct({ limit: Limit, cursor: Cursor })

export const TenantAnswer = Schema.Struct({
  tenantId: Schema.String,
  name: Schema.optionalKey(Schema.String),
  issuer: Schema.optionalKey(Schema.String),
  audience: Schema.optionalKey(Schema.String),
  jwksUri: Schema.optionalKey(Schema.String),
  retention: Schema.optionalKey(Schema.String),
  limits: Schema.optionalKey(Schema.Record(Schema.String, Schema.Int)),
  createdDate: AnsweredDate
})
export type TenantAnswer = typeof TenantAnswer.Type
export const TenantPage = page(TenantAnswer)

export const encodeTenant = (tenant: Tenant): TenantAnswer => {
  const { issuer, limits, retentionMs } = settingsOf(tenant)
  return {
    tenantId: tenant.tenantId,
    ...(tenant.name === null ? {} : { name: tenant.name }),
    ...(issuer === null ? {} : { issuer: issuer.issuer, audience: issuer.audience }),
    ...(issuer === null || issuer.jwksUri === null ? {} : { jwksUri: issuer.jwksUri }),
    ...(retentionMs === null ? {} : { retention: `PT${retentionMs / 1_000}S` }),
    ...(Object.keys(limits).length === 0 ? {} : { limits }),
    createdDate: formatDate(tenant.createdAt)
  }
}
