import { Blank } from '../../parts/Blank';
import { Button, LinkButton } from '../../parts/Button';
import { Page } from '../../shell/Page';
import { words } from '../../words/en/notfound';

/** An address that leads nowhere. */
export default function NotFound() {
  return (
    <Page title={words.title}>
      <h1 className="vh">{words.title}</h1>
      <Blank
        icon="search"
        title={words.title}
        action={
          <>
            <Button icon="left" onClick={() => history.back()}>
              {words.back}
            </Button>
            <LinkButton href="~/">{words.home}</LinkButton>
          </>
        }
      >
        <p>{words.why}</p>
      </Blank>
    </Page>
  );
}
