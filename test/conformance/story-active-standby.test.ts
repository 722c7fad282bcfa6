import { test } from 'node:test'
import { tellStory } from './story.ts'

test('the story of the README, told by the openstack command, with topology ACTIVE_STANDBY', () => tellStory('ACTIVE_STANDBY', 22100))
