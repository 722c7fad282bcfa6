import { listReservationsBefore, undoReservation } from '../resources/load-balancer/vip-port.ts'
import { periodicJob } from './periodic-job.ts'

const MAX_RESERVATIONS = 100

/** A request that died between its VIP's port and its rows leaves a port that only the reservation knows. */
export const undoVipReservations = periodicJob('undo-vip-reservations', async (context) => {
  const { db, config, clock, log } = context
  const beforeMs = clock.now() - config.house_keeping.reservation_expiry_age * 1000
  const result = { undone: 0, failed: 0 }
  for (const { load_balancer_id } of await listReservationsBefore(db, beforeMs, MAX_RESERVATIONS)) {
    try {
      await undoReservation(context, load_balancer_id)
      result.undone++
    } catch (error) {
      // One port that cannot be deleted must not keep the others; it is tried again next time.
      log.warn({ load_balancer_id, error: String(error) }, 'the reservation of a VIP could not be undone')
      result.failed++
    }
  }
  return result
})
