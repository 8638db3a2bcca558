import { describeNotifications } from '../../contract/notifications.ts'

describeNotifications({
  name: 'postgres',
  open: () => Promise.resolve({ url: undefined, close: () => Promise.resolve() }),
})
