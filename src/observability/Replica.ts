/** Who this process is: the instance it serves (`cm`) and its own name among that instance's replicas. */
import { Context } from "effect"

export class Replica extends Context.Service<Replica, { readonly instance: string; readonly replicaId: string }>()(
  "cm/observability/Replica"
) {}
