import { counted } from '../../format';

export const words = {
  title: 'Secrets',
  about:
    'A secret is a credential that headers of jobs refer to by its name. Values are sealed, and no one can read them again; responses that echo a value show •••• in its place.',
  forbidden: 'Members cannot see secrets',
  add: 'New secret',
  name: 'Name',
  usedBy: 'Used by',
  version: 'Version',
  versionOf: (version: number) => `v${version}`,
  changed: 'Changed',
  createdAt: 'Created',
  more: 'More',
  moreFor: (name: string) => `More actions for ${name}`,
  reference: (name: string) => `secret://${name}`,
  referenceName: 'Reference to the secret',
  jobs: (n: number) => (n >= 100 ? '100 jobs or more' : counted(n, 'job')),
  unused: 'no job',
  unusedLong: 'No job refers to this secret.',
  usedCount: (jobs: readonly unknown[] | undefined) => words.jobs(jobs?.length ?? 0),
  unknown: '–',
  none: 'This workspace has no secrets yet',
  noneWhy: 'Keep tokens and passwords here, and write secret://name in the headers of jobs.',

  newTitle: 'New secret',
  create: 'Create secret',
  created: (name: string) => `Created ${name}.`,
  example: 'stripe-key',
  nameHint: (name: string) =>
    `Headers refer to it as secret://${name}. Lower-case letters, digits, - and _ are allowed.`,
  taken: 'A secret with this name exists. Replace its value instead, or choose another name.',
  value: 'Value',
  valueHint: 'One line of at most 8,192 bytes. It cannot be read again, only replaced.',
  show: 'Show',
  hide: 'Hide',
  showValue: 'Show the value',
  hideValue: 'Hide the value',

  replace: 'Replace value',
  replaceTitle: (name: string) => `Replace the value of ${name}`,
  replaceWhy: 'Jobs use the new value from their next attempt on, retries included.',
  replaceDo: 'Replace value',
  replaced: (name: string, version: number) => `Replaced the value of ${name}: it is v${version} now.`,

  jobsWith: 'Jobs that use it',
  job: 'Job',
  delete: 'Delete',
  deleteAnyway: 'Delete anyway',
  deleted: (name: string) => `Deleted ${name}.`,
  askDelete: (name: string) => `Delete the secret ${name}?`,
  askDeleteUnused: 'No job refers to it. Its value cannot be recovered.',
  askDeleteUsed: (n: number) =>
    n === 1
      ? 'This job refers to it. Without the secret, its runs fail and send nothing:'
      : `${words.jobs(n)} refer to it. Without the secret, their runs fail and send nothing:`,
  andMore: (n: number) => `and ${counted(n, 'other job', 'other jobs')}`,

  missing: (name: string) => `There is no secret ${name}`,
  missingWhy: 'Runs of jobs that refer to it fail, and send nothing, until it is created.',
  createNamed: (name: string) => `Create ${name}`,
  hidden: 'The value is sealed. It can be replaced, but not read.',
  howToUse: 'Use',
  howToUseText: 'As the value of a header, or as a part of it:',
  about1: 'Details',
  copyCurl: 'Copy as curl',
  curl: (name: string) =>
    [
      `curl -X PUT "$TRIGRUN_URL/v1/secrets/${name}" \\`,
      `  -H "Authorization: Bearer $TRIGRUN_TOKEN" -H 'Content-Type: application/json' \\`,
      `  -d '{"value": "NEW VALUE"}'`,
    ].join('\n'),
};
