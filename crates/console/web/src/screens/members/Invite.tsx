import { useState } from 'react';
import { BASE } from '../../api/client';
import { type Invitation, type Role, useInvite } from '../../api/queries/members';
import { TextField } from '../../parts/Field';
import { useWorkspace } from '../../shell/workspace';
import { date, useViewerZone } from '../../time';
import { words } from '../../words/en/members';
import { FormDialog } from '../configure/FormDialog';
import { Once } from '../configure/Once';
import { mayGive, ROLES } from './roles';

/** A new invitation: for one address, with a role. */
export function Invite({ onMade, onClose }: { onMade: (made: Invitation) => void; onClose: () => void }) {
  const invite = useInvite();
  const workspace = useWorkspace();
  const [email, setEmail] = useState('');
  const [role, setRole] = useState<Role>('member');
  return (
    <FormDialog
      title={words.inviteTitle(workspace.name)}
      confirm={words.inviteDo}
      onSubmit={async () => onMade(await invite.mutateAsync({ email: email.trim(), role }))}
      onClose={onClose}
    >
      {(errorOf) => (
        <>
          <TextField
            label={words.email}
            type="email"
            required
            autoFocus
            value={email}
            onChange={setEmail}
            hint={words.emailHint}
            error={errorOf('/email')}
          />
          <fieldset className="choices">
            <legend>{words.role}</legend>
            {ROLES.toReversed()
              .filter((it) => mayGive(workspace.role, it))
              .map((it) => (
                <label key={it} className="radio">
                  <input type="radio" name="role" checked={role === it} onChange={() => setRole(it)} />
                  <span>
                    {words.roles[it]}
                    <small>{words.roleMay(it)}</small>
                  </span>
                </label>
              ))}
          </fieldset>
        </>
      )}
    </FormDialog>
  );
}

/** The link of an invitation: a server that sends no e-mail shows it once. */
export function InvitationOnce({ invitation, onClose }: { invitation: Invitation; onClose: () => void }) {
  const zone = useViewerZone();
  return (
    <Once
      title={words.onceTitle(invitation.email)}
      text={words.onceText(invitation.email, date(invitation.expires_at, zone))}
      secret={`${BASE}accept#${invitation.invitation}`}
      name={words.link}
      done={words.onceDone}
      onClose={onClose}
    />
  );
}
