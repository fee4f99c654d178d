//! The plain texts, and those with a number or a moment in them.

use super::Language;
use crate::domain::evaluation::State;

macro_rules! texts {
    ($($name:ident = $en:literal, $zh:literal, $ru:literal, $id:literal;)+) => {
        impl Language {
            $(pub(in crate::web::pages) fn $name(self) -> &'static str {
                self.of([$en, $zh, $ru, $id])
            })+
        }
    };
}

texts! {
    skip = "Skip to the content", "跳到正文", "К основному содержимому", "Langsung ke isi";
    languages = "Languages", "语言", "Языки", "Bahasa";
    all_channels = "All channels", "所有渠道", "Все каналы", "Semua saluran";
    channels = "Channels", "渠道", "Каналы", "Saluran";
    no_channel = "no channel yet", "暂无渠道", "каналов пока нет", "belum ada saluran";
    open_incidents = "Open incidents", "未解决的故障", "Открытые инциденты", "Insiden terbuka";
    none_open = "No incident is open.", "没有未解决的故障。", "Открытых инцидентов нет.", "Tidak ada insiden terbuka.";
    maintenance = "Maintenance", "维护", "Обслуживание", "Pemeliharaan";
    none_announced = "None is announced.", "没有已公布的维护。", "Не объявлено.", "Tidak ada yang diumumkan.";
    under_way = "under way", "进行中", "идёт", "sedang berlangsung";
    planned = "planned", "已计划", "запланировано", "direncanakan";
    for_everything = "all channels", "所有渠道", "все каналы", "semua saluran";
    monitor = "The monitor", "监控本身", "Сам монитор", "Pemantau";
    outbox = "Outbox", "待发消息", "Исходящие", "Kotak keluar";
    nothing_waits = "nothing waits", "没有待发消息", "ничего не ждёт", "tidak ada yang menunggu";
    sight = "Sight", "观测能力", "Видимость", "Pemantauan";
    sees = "it sees", "正常", "видит", "dapat memantau";
    blind = "blind", "无法观测", "не видит", "tidak dapat memantau";
    store = "Store", "存储", "Хранилище", "Penyimpanan";
    store_works = "takes what is written", "写入正常", "принимает записи", "menerima tulisan";
    store_fails = "takes nothing", "无法写入", "не принимает записи", "tidak menerima tulisan";
    backup = "Latest backup", "最近备份", "Последняя копия", "Cadangan terakhir";
    none_yet = "none yet", "尚无", "пока нет", "belum ada";
    configuration = "Configuration", "配置", "Конфигурация", "Konfigurasi";
    taken_up = "taken up", "已生效", "принята", "diterapkan";
    refused = "the changed file is refused; the one in force was taken up", "更改后的文件被拒绝；现行配置生效于",
        "изменённый файл отклонён; действующий принят", "berkas yang diubah ditolak; yang berlaku diterapkan";
    uptime = "Availability", "可用率", "Доступность", "Ketersediaan";
    latency = "Latency", "延迟", "Задержка", "Latensi";
    timeouts = "Timeouts", "超时", "Таймауты", "Waktu habis";
    timeout_rate = "Timeout rate", "超时率", "Доля таймаутов", "Tingkat waktu habis";
    nothing_measured = "nothing measured yet", "尚无数据", "данных пока нет", "belum ada data";
    no_data = "no data", "无数据", "нет данных", "tidak ada data";
    as_table = "As a table", "以表格显示", "Таблицей", "Sebagai tabel";
    day = "Day", "日期", "День", "Hari";
    hour = "Hour", "小时", "Час", "Jam";
    incidents = "Incidents", "故障", "Инциденты", "Insiden";
    no_incident = "None is known.", "没有已知故障。", "Не известно ни одного.", "Tidak ada yang diketahui.";
    incident = "Incident", "故障", "Инцидент", "Insiden";
    probes = "Probes", "探测", "Проверки", "Pemeriksaan";
    probe = "Probe", "探测", "Проверка", "Pemeriksaan";
    last_outcome = "Last outcome", "最近结果", "Последний итог", "Hasil terakhir";
    outcome = "Outcome", "结果", "Итог", "Hasil";
    began_column = "Began", "开始", "Начало", "Mulai";
    duration = "Took", "耗时", "Длилось", "Lama";
    reason = "Reason", "原因", "Причина", "Alasan";
    detail = "Detail", "详情", "Подробности", "Rincian";
    phases = "Phases of the last runs", "最近运行的各阶段", "Этапы последних запусков", "Tahap eksekusi terakhir";
    last_runs = "Last runs", "最近运行", "Последние запуски", "Eksekusi terakhir";
    no_run = "No run is known yet.", "尚无运行记录。", "Запусков пока нет.", "Belum ada eksekusi.";
    evidence = "Evidence", "证据", "Свидетельства", "Bukti";
    no_evidence = "None is kept.", "没有保留的证据。", "Не сохранено.", "Tidak ada yang disimpan.";
    screen = "What the window showed; what it is about is outlined in red", "窗口截图；相关部分以红框标出",
        "Снимок окна; то, о чём речь, обведено красным", "Tampilan jendela; bagian yang dimaksud diberi garis merah";
    timeline = "Timeline", "时间线", "Ход событий", "Linimasa";
    still_open = "still open", "尚未解决", "ещё открыт", "masih terbuka";
    over = "over", "已解决", "завершён", "selesai";
    worst = "Worst", "最严重", "Худшее", "Terburuk";
    lasted = "Lasted", "持续", "Длительность", "Lamanya";
    began = "Began", "开始", "Начался", "Mulai";
    first_failure = "the first run failed", "首次运行失败", "первый запуск не удался", "kegagalan pertama";
    nobody_has_it = "Nobody has taken it in hand.", "尚无人认领。", "Никто не взял в работу.", "Belum ada yang menangani.";
    told = "told", "已通知", "сообщено", "diberitahukan";
    not_found = "There is nothing here", "此处没有内容", "Здесь ничего нет", "Tidak ada apa-apa di sini";
    not_found_why = "The address is wrong, or what was here has left: a channel the configuration, an incident the store.",
        "地址有误，或内容已不存在：渠道已从配置中移除，或故障已从存储中清除。",
        "Адрес неверен, или того, что здесь было, больше нет: канал убран из конфигурации, инцидент — из хранилища.",
        "Alamatnya salah, atau isinya sudah tidak ada: saluran itu telah dihapus dari konfigurasi, atau insiden itu dari penyimpanan.";
    unreadable = "It cannot be shown now", "目前无法显示", "Сейчас показать нельзя", "Belum dapat ditampilkan";
    unreadable_why = "The store cannot be read. The log says why; try again in a minute.",
        "无法读取存储。原因见日志；请稍后再试。",
        "Хранилище не читается. Причина в журнале; попробуйте через минуту.",
        "Penyimpanan tidak dapat dibaca. Log menyebutkan sebabnya; coba lagi sebentar lagi.";
    past_unreadable = "The past cannot be shown: the store cannot be read.", "无法显示历史：存储无法读取。",
        "Прошлое показать нельзя: хранилище не читается.", "Riwayat tidak dapat ditampilkan: penyimpanan tidak dapat dibaca.";
    as_of = "As of", "截至", "По состоянию на", "Per";
    pause = "Pause updates", "暂停更新", "Приостановить обновление", "Jeda pembaruan";
    resume = "Resume updates", "恢复更新", "Возобновить обновление", "Lanjutkan pembaruan";
    stale = "The monitor does not answer. What is shown may be out of date.", "监控没有响应，所显示的内容可能已过时。",
        "Монитор не отвечает. Показанное могло устареть.", "Pemantau tidak menjawab. Yang ditampilkan mungkin sudah usang.";
    for_programs = "For programs", "供程序使用", "Для программ", "Untuk program";
    opens = "outside its hours, opens", "非服务时间，下次开放：", "вне часов работы, откроется", "di luar jam layanan, buka";
    until = "until", "直至", "до", "sampai";
}

/// Which of the Russian forms goes with a number: one день, two дня, five дней.
fn russian(count: u64, forms: [&'static str; 3]) -> &'static str {
    match (count % 10, count % 100) {
        (1, tail) if tail != 11 => forms[0],
        (2..=4, tail) if !(12..=14).contains(&tail) => forms[1],
        _ => forms[2],
    }
}

impl Language {
    fn counted(
        self,
        count: u64,
        english: [&'static str; 2],
        chinese: &str,
        forms: [&'static str; 3],
        indonesian: &str,
    ) -> String {
        match self {
            Self::En => format!("{count} {}", english[usize::from(count != 1)]),
            Self::Zh => format!("{count} {chinese}"),
            Self::Ru => format!("{count} {}", russian(count, forms)),
            Self::Id => format!("{count} {indonesian}"),
        }
    }

    /// `3 days`.
    pub(in crate::web::pages) fn days(self, count: u64) -> String {
        self.counted(count, ["day", "days"], "天", ["день", "дня", "дней"], "hari")
    }

    /// `24 hours`.
    pub(in crate::web::pages) fn hours(self, count: u64) -> String {
        self.counted(count, ["hour", "hours"], "小时", ["час", "часа", "часов"], "jam")
    }

    /// `4 runs`.
    pub(in crate::web::pages) fn runs(self, count: u64) -> String {
        self.counted(count, ["run", "runs"], "次运行", ["запуск", "запуска", "запусков"], "eksekusi")
    }

    /// `2 messages wait, the oldest for 5 min`.
    pub(in crate::web::pages) fn waiting(self, count: u64, oldest: &str) -> String {
        match self {
            Self::En if count == 1 => format!("1 message waits, for {oldest}"),
            Self::En => format!("{count} messages wait, the oldest for {oldest}"),
            Self::Zh => format!("{count} 条消息待发，最早的已等待 {oldest}"),
            Self::Ru if count == 1 => format!("1 сообщение ждёт уже {oldest}"),
            Self::Ru => {
                let form = russian(count, ["сообщение ждёт", "сообщения ждут", "сообщений ждут"]);
                format!("{count} {form}, самое старое уже {oldest}")
            }
            Self::Id => format!("{count} pesan menunggu, yang tertua selama {oldest}"),
        }
    }

    /// How many got a message, are to get it, and will not: `2 delivered, 1 pending`.
    pub(in crate::web::pages) fn fates(self, delivered: u32, pending: u32, given_up: u32) -> String {
        let fates = [
            (delivered, ["delivered", "已送达", "доставлено", "terkirim"]),
            (pending, ["pending", "待发", "в очереди", "menunggu"]),
            (given_up, ["given up", "已放弃", "не доставлено", "tidak terkirim"]),
        ];
        let told = fates.into_iter().filter(|(count, _)| *count > 0);
        told.map(|(count, word)| format!("{count} {}", self.of(word))).collect::<Vec<_>>().join(", ")
    }

    /// `and 12 more`.
    pub(in crate::web::pages) fn and_more(self, count: usize) -> String {
        match self {
            Self::En => format!("and {count} more"),
            Self::Zh => format!("另有 {count} 项"),
            Self::Ru => format!("и ещё {count}"),
            Self::Id => format!("dan {count} lagi"),
        }
    }

    /// `2 dark`.
    pub(in crate::web::pages) fn counted_state(self, count: usize, state: State) -> String {
        let word = self.state(state);
        match self {
            Self::En => format!("{count} {word}"),
            Self::Zh => format!("{word} {count}"),
            Self::Ru | Self::Id => format!("{word}: {count}"),
        }
    }

    /// Who has it: `Taken in hand by`.
    pub(in crate::web::pages) fn in_hand(self) -> &'static str {
        self.of(["Taken in hand by", "认领人", "В работу взял(а)", "Ditangani oleh"])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn russian_numbers_take_the_right_form() {
        let said = [1, 2, 5, 11, 12, 14, 21, 22, 25, 100, 101, 111, 0].map(|count| Language::Ru.days(count));
        let right = [
            "1 день",
            "2 дня",
            "5 дней",
            "11 дней",
            "12 дней",
            "14 дней",
            "21 день",
            "22 дня",
            "25 дней",
            "100 дней",
            "101 день",
            "111 дней",
            "0 дней",
        ];
        assert_eq!(said, right);
        assert_eq!((Language::En.days(1), Language::En.days(0)), ("1 day".to_owned(), "0 days".to_owned()));
    }

    #[test]
    fn one_message_that_waits_is_not_the_oldest_of_several() {
        let said = [1, 2, 5, 21].map(|count| Language::Ru.waiting(count, "5 мин"));
        let right = [
            "1 сообщение ждёт уже 5 мин",
            "2 сообщения ждут, самое старое уже 5 мин",
            "5 сообщений ждут, самое старое уже 5 мин",
            "21 сообщение ждёт, самое старое уже 5 мин",
        ];
        assert_eq!(said, right);
        assert_eq!(Language::En.waiting(1, "5 min"), "1 message waits, for 5 min");
    }
}
