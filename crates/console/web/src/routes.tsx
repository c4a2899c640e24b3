/**
 * Every address of the console. Below /w/:ws, addresses in links are relative to the workspace (`/jobs`); `~/login` is
 * absolute. Each screen is a chunk of its own.
 */

import { type ComponentType, lazy, Suspense } from 'react';
import { Redirect, Route, Router, Switch } from 'wouter';
import { BASE } from './api/client';
import { Boundary } from './parts/Boundary';
import { AccountFrame } from './shell/AccountFrame';
import { Entry } from './shell/Entry';
import { WorkspaceFrame } from './shell/WorkspaceFrame';

const Overview = lazy(() => import('./screens/overview'));
const Failures = lazy(() => import('./screens/failures'));
const Jobs = lazy(() => import('./screens/jobs'));
const Job = lazy(() => import('./screens/job'));
const Editor = lazy(() => import('./screens/editor'));
const Import = lazy(() => import('./screens/import'));
const Runs = lazy(() => import('./screens/runs'));
const Run = lazy(() => import('./screens/run'));
const Load = lazy(() => import('./screens/load'));
const Hosts = lazy(() => import('./screens/hosts'));
const Host = lazy(() => import('./screens/host'));
const Secrets = lazy(() => import('./screens/secrets'));
const Notifications = lazy(() => import('./screens/notifications'));
const Tokens = lazy(() => import('./screens/tokens'));
const Members = lazy(() => import('./screens/members'));
const Audit = lazy(() => import('./screens/audit'));
const Usage = lazy(() => import('./screens/usage'));
const Settings = lazy(() => import('./screens/settings'));
const Me = lazy(() => import('./screens/me'));
const LogIn = lazy(() => import('./screens/login'));
const SignUp = lazy(() => import('./screens/signup'));
const Forgot = lazy(() => import('./screens/forgot'));
const Reset = lazy(() => import('./screens/reset'));
const NewEmail = lazy(() => import('./screens/email'));
const Accept = lazy(() => import('./screens/accept'));
const Go = lazy(() => import('./screens/go'));
const NotFound = lazy(() => import('./screens/notfound'));
// A page of all parts and their states, for development.
const Parts = import.meta.env.DEV ? lazy(() => import('./screens/parts')) : NotFound;

/** The addresses of a workspace, relative to /w/:ws, and what they show. The first that matches counts. */
const WORKSPACE_ROUTES: [path: string, screen: ComponentType][] = [
  ['/', Overview],
  ['/failures', Failures],
  ['/jobs', Jobs],
  ['/jobs/new', Editor],
  ['/jobs/:id/edit', Editor],
  ['/jobs/:id/:tab?', Job],
  ['/import', Import],
  ['/runs', Runs],
  ['/runs/:id', Run],
  ['/load', Load],
  ['/hosts', Hosts],
  ['/hosts/:host', Host],
  ['/secrets/:name?', Secrets],
  ['/notifications/:tab?', Notifications],
  ['/tokens', Tokens],
  ['/members', Members],
  ['/audit', Audit],
  ['/usage', Usage],
  ['/settings', Settings],
];

const BASE_PATH = new URL(BASE).pathname.replace(/\/$/, '');

export function Routes() {
  return (
    <Router base={BASE_PATH}>
      <Boundary>
        <Suspense>
          <Switch>
            <Route path="/login" component={LogIn} />
            <Route path="/signup" component={SignUp} />
            <Route path="/forgot" component={Forgot} />
            <Route path="/reset" component={Reset} />
            <Route path="/email" component={NewEmail} />
            <Route path="/accept" component={Accept} />
            {import.meta.env.DEV && <Route path="/parts" component={Parts} />}
            <Route path="/w/:ws/*?">{({ ws }) => <InWorkspace id={ws} />}</Route>
            <Route path="/me/:tab?">
              <AccountFrame>
                <Screen of={Me} />
              </AccountFrame>
            </Route>
            <Route path="/go/:id">
              <AccountFrame>
                <Screen of={Go} />
              </AccountFrame>
            </Route>
            <Route path="/" component={Entry} />
            <Route>
              <AccountFrame>
                <Screen of={NotFound} />
              </AccountFrame>
            </Route>
          </Switch>
        </Suspense>
      </Boundary>
    </Router>
  );
}

function InWorkspace({ id }: { id: string }) {
  return (
    <WorkspaceFrame id={id}>
      <Route path={`/w/${id}`} nest>
        <Switch>
          {WORKSPACE_ROUTES.map(([path, screen]) => (
            <Route key={path} path={path}>
              <Screen of={screen} />
            </Route>
          ))}
          <Route path="/overview">
            <Redirect to="/" replace />
          </Route>
          <Route>
            <Screen of={NotFound} />
          </Route>
        </Switch>
      </Route>
    </WorkspaceFrame>
  );
}

// The frame stays while a screen loads, or when it fails.
function Screen({ of: Of }: { of: ComponentType }) {
  return (
    <Boundary>
      <Suspense>
        <Of />
      </Suspense>
    </Boundary>
  );
}
