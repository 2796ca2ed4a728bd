/** Tells the operators, in the tenant `global`, that events of other services may have been lost. Contract section 8.6. */
import { Result } from "effect"
import { globalTenantId } from "../../domain/Names.ts"
import type { Command } from "../tenant/Command.ts"
import type { Caller } from "../tenant/Tenants.ts"
import type { EventWriter } from "../tenant/TokenEvents.ts"

export const announceInboxGap = (
  reason: string,
  since: number,
  events: EventWriter["Service"],
  caller: Caller
): Command<void> => ({
  name: "platform.inbox-gap",
  caller,
  load: {},
  decide: (workspace) => {
    const at = workspace.now
    workspace.announce(
      events.json({
        tenantId: globalTenantId,
        type: "platform.inbox_gap",
        entityKey: "platform/inbox",
        subject: "inbox",
        version: at,
        at,
        data: {
          eventType: "platform.inbox_gap",
          tenantId: globalTenantId,
          reason,
          since: events.iso(since),
          timestamp: events.iso(at)
        },
        afterRevocation: false
      })
    )
    workspace.record(caller, {
      action: "platform.inbox_gap",
      entityType: "platform",
      entityId: "inbox",
      diff: { reason }
    })
    return Result.succeed(undefined)
  }
})
