import { openStackFails } from '../../../test/support/openstack-fails.ts'

openStackFails('ACTIVE_STANDBY')
