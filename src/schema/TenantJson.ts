/** `tenants.*`: what travels. */
import { Schema } from "effect"
import type { Tenant } from "../domain/Tenant.ts"
import { AnsweredDate, Cursor, FreeText, Limit, page, TenantId } from "./Field.ts"
import { formatDate } from "./Timestamp.ts"

export const CreateTenant = Schema.Struct({ tenantId: TenantId, name: Schema.optionalKey(FreeText) })
export const RemoveTenant = Schema.Struct({ tenantId: TenantId })
export const ListTenants = Schema.Struct({ limit: Limit, cursor: Cursor })

export const TenantAnswer = Schema.Struct({
  tenantId: Schema.String,
  name: Schema.optionalKey(Schema.String),
  createdDate: AnsweredDate
})
export type TenantAnswer = typeof TenantAnswer.Type
export const TenantPage = page(TenantAnswer)

export const encodeTenant = (tenant: Tenant): TenantAnswer => ({
  tenantId: tenant.tenantId,
  ...(tenant.name === null ? {} : { name: tenant.name }),
  createdDate: formatDate(tenant.createdAt)
})
