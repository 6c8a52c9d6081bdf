import { chordText } from '../ui/chords.js';
import style from './app.module.css';

/** What an empty workbench says: the keys that matter. */
export function Watermark() {
  return (
    <div className={style['watermark']}>
      <p>Open a connection from the list, or press {chordText('Mod+K')}.</p>
      <dl>
        <dt>{chordText('Mod+K')}</dt>
        <dd>Go to a connection, session or command</dd>
        <dt>{chordText('Mod+B')}</dt>
        <dd>Show or hide the sidebar</dd>
        <dt>{chordText('Mod+Shift+S')}</dt>
        <dd>All sessions</dd>
      </dl>
    </div>
  );
}
