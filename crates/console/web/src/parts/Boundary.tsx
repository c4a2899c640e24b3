import { Component, type ReactNode } from 'react';
import { ErrorPanel } from './ErrorPanel';

interface State {
  error: unknown;
  failed: boolean;
}

/** What fails while it is drawn leaves the rest of the page alone, and can be tried again. */
export class Boundary extends Component<{ children: ReactNode }, State> {
  override state: State = { error: undefined, failed: false };

  static getDerivedStateFromError(error: unknown): State {
    return { error, failed: true };
  }

  override componentDidCatch(error: unknown) {
    console.error(error);
  }

  override render() {
    if (!this.state.failed) return this.props.children;
    return (
      <ErrorPanel
        error={this.state.error}
        onRetry={() => {
          if (isMissingScript(this.state.error)) location.reload();
          else this.setState({ error: undefined, failed: false });
        }}
      />
    );
  }
}

/** A script or style that could not be loaded is never asked for again by the same page: what Chrome, Firefox, Safari and Vite say. */
function isMissingScript(error: unknown): boolean {
  return (
    error instanceof Error && /dynamically imported module|module script|preload CSS/i.test(error.message)
  );
}
