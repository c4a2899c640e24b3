export const words = {
  title: 'Open',
  gone: 'This is not there, or not for you',
  goneWhy: (id: string) => `None of your workspaces has ${id}.`,
  unknown: 'This id has no page',
  unknownWhy: (id: string) =>
    `${id} is not the id of a job, a run, a channel, a notification, a token, a member or a workspace.`,
  home: 'Overview',
};
