// The emoji people and apps use most; an unknown name stays as :name:.

const NAMES = `
+1 👍|thumbsup 👍|-1 👎|thumbsdown 👎|eyes 👀|white_check_mark ✅|heavy_check_mark ✔️|ballot_box_with_check ☑️
x ❌|negative_squared_cross_mark ❎|warning ⚠️|no_entry ⛔|no_entry_sign 🚫|octagonal_sign 🛑|question ❓|exclamation ❗
bangbang ‼️|information_source ℹ️|tada 🎉|rocket 🚀|fire 🔥|sparkles ✨|star ⭐|star2 🌟|zap ⚡|boom 💥|bulb 💡
heart ❤️|blue_heart 💙|green_heart 💚|yellow_heart 💛|purple_heart 💜|broken_heart 💔|100 💯|pray 🙏|clap 👏|wave 👋
raised_hands 🙌|ok_hand 👌|muscle 💪|point_right 👉|point_left 👈|point_up ☝️|point_down 👇|handshake 🤝|writing_hand ✍️
smile 😄|smiley 😃|grinning 😀|grin 😁|joy 😂|rolling_on_the_floor_laughing 🤣|slightly_smiling_face 🙂|blush 😊
wink 😉|sweat_smile 😅|thinking_face 🤔|neutral_face 😐|upside_down_face 🙃|heart_eyes 😍|sunglasses 😎|cry 😢|sob 😭
disappointed 😞|confused 😕|worried 😟|scream 😱|angry 😠|rage 😡|sleeping 😴|nerd_face 🤓|partying_face 🥳|shrug 🤷
robot_face 🤖|ghost 👻|skull 💀|clown_face 🤡|see_no_evil 🙈|hourglass ⌛|hourglass_flowing_sand ⏳|stopwatch ⏱️
alarm_clock ⏰|clock1 🕐|calendar 📆|date 📅|spiral_calendar_pad 🗓️|memo 📝|pencil 📝|pencil2 ✏️|clipboard 📋
page_facing_up 📄|page_with_curl 📃|bookmark_tabs 📑|books 📚|book 📖|notebook 📓|file_folder 📁|open_file_folder 📂
card_index_dividers 🗂️|chart_with_upwards_trend 📈|chart_with_downwards_trend 📉|bar_chart 📊|abacus 🧮|ledger 📒
receipt 🧾|moneybag 💰|money_with_wings 💸|dollar 💵|euro 💶|credit_card 💳|bank 🏦|briefcase 💼|email 📧|envelope ✉️
incoming_envelope 📨|inbox_tray 📥|outbox_tray 📤|package 📦|mailbox 📫|loudspeaker 📢|mega 📣|bell 🔔|no_bell 🔕
speech_balloon 💬|thought_balloon 💭|mag 🔍|mag_right 🔎|link 🔗|paperclip 📎|pushpin 📌|round_pushpin 📍|lock 🔒
unlock 🔓|key 🔑|shield 🛡️|hammer 🔨|wrench 🔧|hammer_and_wrench 🛠️|gear ⚙️|nut_and_bolt 🔩|test_tube 🧪|microscope 🔬
computer 💻|desktop_computer 🖥️|keyboard ⌨️|floppy_disk 💾|iphone 📱|electric_plug 🔌|battery 🔋|satellite 📡|bug 🐛
construction 🚧|rotating_light 🚨|traffic_light 🚦|checkered_flag 🏁|triangular_flag_on_post 🚩|white_flag 🏳️
arrow_right ➡️|arrow_left ⬅️|arrow_up ⬆️|arrow_down ⬇️|arrows_counterclockwise 🔄|repeat 🔁|leftwards_arrow_with_hook ↩️
fast_forward ⏩|rewind ⏪|arrow_forward ▶️|double_vertical_bar ⏸️|black_square_for_stop ⏹️|heavy_plus_sign ➕
heavy_minus_sign ➖|heavy_division_sign ➗|heavy_multiplication_x ✖️|red_circle 🔴|large_orange_circle 🟠
large_yellow_circle 🟡|large_green_circle 🟢|large_blue_circle 🔵|large_purple_circle 🟣|white_circle ⚪|black_circle ⚫
large_red_square 🟥|large_green_square 🟩|small_blue_diamond 🔹|small_orange_diamond 🔸|one 1️⃣|two 2️⃣|three 3️⃣|four 4️⃣
five 5️⃣|six 6️⃣|seven 7️⃣|eight 8️⃣|nine 9️⃣|keycap_ten 🔟|zero 0️⃣|coffee ☕|tea 🍵|pizza 🍕|cake 🍰|birthday 🎂
beer 🍺|beers 🍻|apple 🍎|seedling 🌱|herb 🌿|evergreen_tree 🌲|sunny ☀️|cloud ☁️|rainbow 🌈|snowflake ❄️|umbrella ☔
earth_africa 🌍|earth_americas 🌎|earth_asia 🌏|globe_with_meridians 🌐|world_map 🗺️|airplane ✈️|car 🚗|train 🚆|ship 🚢
house 🏠|office 🏢|factory 🏭|hospital 🏥|trophy 🏆|medal 🏅|first_place_medal 🥇|dart 🎯|game_die 🎲|musical_note 🎵
art 🎨|jigsaw 🧩|bust_in_silhouette 👤|busts_in_silhouette 👥|woman 👩|man 👨|cat 🐱|dog 🐶|fox_face 🦊|unicorn_face 🦄
turtle 🐢|octopus 🐙|bee 🐝|balloon 🎈|gift 🎁|crystal_ball 🔮|magic_wand 🪄|broom 🧹|basket 🧺|scales ⚖️|balance_scale ⚖️
`;

const BY_NAME = new Map(
  NAMES.split(/[|\n]/)
    .filter(Boolean)
    .map((pair) => [pair.slice(0, pair.indexOf(" ")), pair.slice(pair.indexOf(" ") + 1)]),
);

/** The character for a name such as `tada` or `wave::skin-tone-2`, else `:name:`. */
export function emoji(name) {
  return BY_NAME.get(String(name).split("::")[0]) || `:${name}:`;
}

export const isEmoji = (name) => BY_NAME.has(String(name).split("::")[0]);
