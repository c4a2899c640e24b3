import type { ReactNode } from 'react';
import { Glyph, type GlyphName } from './Glyph';
import { Icon, type IconName } from './Icon';
import './Blank.css';

interface Props {
  /** Why nothing is here. */
  title: string;
  icon?: IconName;
  glyph?: GlyphName;
  /** It stands in place of the whole page: its title is that of the page. */
  whole?: boolean;
  /** The one way on: a button or two. */
  action?: ReactNode;
  children?: ReactNode;
}

/** Why nothing is here, and one way on. */
export function Blank({ title, icon, glyph, whole, action, children }: Props) {
  return (
    <div className="blank">
      {glyph && <Glyph name={glyph} size={22} />}
      {icon && <Icon name={icon} size={22} />}
      {/* Otherwise it may stand directly below the title of a page. */}
      {whole ? <h1>{title}</h1> : <h2>{title}</h2>}
      {children && <div>{children}</div>}
      {action && <div className="btns">{action}</div>}
    </div>
  );
}
