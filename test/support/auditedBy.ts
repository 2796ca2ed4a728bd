/** Who a row of the audit names, in tests to which it does not matter how that is known. */
import { busPrincipal } from "../../src/domain/Principal.ts"
import type { AuditWho } from "../../src/store/TenantStore.ts"

export const auditedBy = (actor: string): AuditWho => ({ actor, known: busPrincipal.known, correlationId: "c-1" })
