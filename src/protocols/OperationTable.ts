/** Every management operation. A noun's operations are one table in a file of their own. */
import { adminOperations } from "./AdminOperations.ts"
import { applicationOperations } from "./ApplicationOperations.ts"
import { auditOperations } from "./AuditOperations.ts"
import { clientOperations } from "./ClientOperations.ts"
import { credentialOperations } from "./CredentialOperations.ts"
import { gatewayOperations } from "./GatewayOperations.ts"
import { keyOperations } from "./KeyOperations.ts"
import type { Operation } from "./Operation.ts"
import { outboxOperations } from "./OutboxOperations.ts"
import { providerOperations } from "./ProviderOperations.ts"
import { revokeAllOperations } from "./RevokeAllOperations.ts"
import { rotatorOperations } from "./RotatorOperations.ts"
import { serviceOperations } from "./ServiceOperations.ts"
import { tenantOperations } from "./TenantOperations.ts"
import { tokenOperations } from "./TokenOperations.ts"
import { tokenValidationOperations } from "./TokenValidationOperations.ts"

const table = [
  ...applicationOperations,
  ...tokenOperations,
  ...revokeAllOperations,
  ...tokenValidationOperations,
  ...credentialOperations,
  ...clientOperations,
  ...serviceOperations,
  ...providerOperations,
  ...rotatorOperations,
  ...auditOperations,
  ...tenantOperations,
  ...keyOperations,
  ...outboxOperations,
  ...adminOperations
]

type ServicesOf<O> = O extends Operation<infer R> ? R : never
/** What the handlers need, all together. */
export type OperationServices = ServicesOf<(typeof table)[number] | (typeof gatewayOperations)[number]>

/** What tenants and operators may ask. */
export const operations: ReadonlyArray<Operation<OperationServices>> = table
/** The same, and what only the HTTP gateway asks. */
export const everyOperation: ReadonlyArray<Operation<OperationServices>> = [...table, ...gatewayOperations]
