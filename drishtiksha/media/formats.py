"""Which formats are taken, which are not and why, and how a file's format is called."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from drishtiksha.errors import UnreadableMediaError
from drishtiksha.plaintext import is_text
from drishtiksha.results import MediaKind

HEAD = 1024
"""Bytes from the start of a file by which its format is told."""

FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,m4v,h264,hevc,h263,ivf,obu,flv,asf,ogg,dv,mxf,"
    "wav,w64,mp3,aac,flac,aiff,amr,amrnb,amrwb,caf,au,ac3,eac3,ape,wv,tta,gsm,"
    # surveillance and network cameras
    "dhav,hxvs,ifv,luodat,mxg,nc,iv8,lvf,lmlm4,mpjpeg,mjpeg,ingenient,"
    # telephones, dictation machines, answering machines, voice recorders
    "qcp,dss,act,ilbc,oma,voc,nistsphere,pvf,sox,ircam,sbc,"
    # television, its recorders, editing
    "loas,dts,dtshd,mlp,truehd,wtv,ty,gxf,lxf,pva,nuv,nut,yuv4mpegpipe,cine,"
    # video of the network's earlier years
    "rm,ivr,nsv,vivo,smjpeg,live_flv,kux,"
    # bare streams that can be told by their beginning
    "av1,vc1,vc1test,vvc,h261,cavsvideo,dirac,dnxhd,mjpeg_2000,apv,"
    "mpc,mpc8,tak"
)
"""The demuxers that may open evidence; each reads one file and no other."""

LEFT_OUT = {
    "reads other files or the network: a playlist, a script or a part of a set": (
        "concat,hls,dash,imf,image2,mlv,vobsub,sdp,rtp,rtsp,sap,webm_dash_manifest,lavfi,msnwctcp,vapoursynth,avisynth"
    ),
    "records from a device of this computer": (
        "alsa,fbdev,kmsgrab,oss,video4linux2,v4l2,x11grab,xcbgrab,pulse,jack,sndio,openal,libcdio,libdc1394,iec61883,"
        "dvdvideo,decklink,avfoundation,dshow,gdigrab,vfwcap,android_camera"
    ),
    "is a picture, and Pillow decodes pictures": (
        "alias_pix,apng,bmp_pipe,brender_pix,cri_pipe,dds_pipe,dpx_pipe,exr_pipe,fits,gem_pipe,gif,gif_pipe,hdr_pipe,ico,"
        "image2pipe,j2k_pipe,jpeg_pipe,jpegls_pipe,jpegxl_anim,jpegxl_pipe,jpegxs_pipe,msp,pam_pipe,pbm_pipe,pcx_pipe,"
        "pfm_pipe,pgm_pipe,pgmyuv_pipe,pgx_pipe,phm_pipe,photocd_pipe,pictor_pipe,png_pipe,ppm_pipe,psd_pipe,qdraw_pipe,"
        "qoi_pipe,sgi_pipe,sunrast_pipe,svg_pipe,tiff_pipe,txd,vbn_pipe,webp_pipe,xbm_pipe,xpm_pipe,xwd_pipe"
    ),
    "is text, subtitles or data": (
        "adf,aqtitle,ass,bin,cdg,data,dvbsub,dvbtxt,ea_cdata,ffmetadata,idf,jacosub,lrc,mcc,microdvd,mpl2,mpsub,pjs,rcwt,"
        "realtext,sami,sbg,scc,srt,stl,subviewer,subviewer1,sup,tedcaptions,tty,vplayer,webvtt,xbin"
    ),
    "has no header, so that any bytes pass for it": (
        "alaw,aptx,aptx_hd,bit,bitpacked,daud,dfpwm,f32be,f32le,f64be,f64le,g722,g723_1,g726,g726le,g728,g729,ipu,mpegtsraw,"
        "mulaw,rawvideo,s16be,s16le,s24be,s24le,s32be,s32le,s8,sln,u16be,u16le,u24be,u24le,u32be,u32le,u8,v210,v210x,vidc"
    ),
    "is made with a codec that this build of PyAV has no decoder for, or is encrypted": (
        "aa,ac4,avs2,avs3,codec2,codec2raw,evc,iamf,lc3,r3d,s337m,spdif"
    ),
    "is another reader of a format that is taken": "asf_o",
    "is a program, of which only parts are media": "swf",
    "comes from games, toys and their machines": (
        "3dostr,4xm,aax,ace,acm,adp,ads,adx,afc,aix,alp,anm,apc,apm,argo_asf,argo_brp,argo_cvg,ast,avs,bethsoftvid,bfi,bfstm,"
        "bink,binka,bmv,boa,brstm,c93,dcstr,derf,dfa,dsicin,dxa,ea,film_cpk,flic,fsb,fwse,gdv,genh,hca,hnm,idcin,ipmovie,iss,"
        "jv,kvag,laf,mca,mgsts,mm,mods,moflex,msf,mtaf,mtv,musx,mv,mvi,paf,pdv,pmp,pp_bnk,psxstr,redspark,rl2,roq,rpl,rsd,rso,"
        "scd,sdns,sdr2,sga,siff,simbiosis_imx,smk,smush,sol,svag,svs,thp,tiertexseq,tmv,usm,vag,vividas,vmd,vpk,wady,wc3movie,"
        "wsaud,wsvqa,xa,xmd,xmv,xvag,xwma,yop"
    ),
    "holds music or the samples of instruments and laboratories, and hardly a voice": (
        "aea,apac,avr,bonk,dsf,epaf,hcom,iff,mmf,nsp,osq,qoa,rka,sds,sdx,shn,vqf,wavarc,wsd,wve"
    ),
    "comes from computers and programs long out of use, or from telescopes": "cdxl,filmstrip,frm,ser",
}
"""Every other demuxer of PyAV, by the reason why it may not open evidence."""

WEB_PAGE = ("it is a web page, not the media on it", "Download the video or picture itself.")
RAW_PHOTO = ("it is a camera's raw file", "Export it as JPEG from your photo program.")
UNPACK = "Unpack the media file."

OTHERS: tuple[tuple[tuple[bytes, ...], str, str], ...] = (
    ((b"%PDF",), "it is a PDF document", "Save the picture or video out of it."),
    ((b"<!doctype html", b"<html"), *WEB_PAGE),
    ((b"<svg",), "it is an SVG drawing", "Export it as PNG."),
    ((b"#EXTM3U",), "it is a playlist that points at a video", "Download the video itself."),
    ((b"ffconcat",), "it is a list of other files", "Give the video itself."),
    ((b"PK\x03\x04",), "it is a ZIP archive or an office document", UNPACK),
    ((b"Rar!\x1a\x07",), "it is a RAR archive", UNPACK),
    ((b"7z\xbc\xaf\x27\x1c",), "it is a 7-Zip archive", UNPACK),
    ((b"\x1f\x8b",), "it is a gzip archive", UNPACK),
    (
        (b"#!SILK_V3", b"\x02#!SILK_V3"),
        "it is a voice message in SILK (WeChat, QQ, Skype), which no decoder here knows",
        "Convert it to WAV with the program silk-v3-decoder, or play it in the messenger and record that.",
    ),
    (
        (b"IMKH",),
        "it is a recording of a Hikvision camera in the maker's own form",
        "Open it in Hikvision's VSPlayer and save it as MP4.",
    ),
    (
        (b"\x03ds2",),
        "it is a dictation in Olympus DS2 (DSS Pro), which no decoder here knows",
        "Save it as WAV in the Olympus Dictation or ODMS program.",
    ),
    (
        (b"MS_VOICE",),
        "it is a recording of a Sony voice recorder (MSV or DVF), which no decoder here knows",
        "Save it as WAV in Sony's Sound Organizer or Digital Voice Editor.",
    ),
    ((b"MThd",), "it is a MIDI file, which holds notes and no sound", "Give a recording."),
    (
        (b"\xff\x0a", b"\0\0\0\x0cJXL "),
        "it is a JPEG XL picture, which no decoder here knows",
        "Convert it to PNG with djxl or ImageMagick.",
    ),
    ((b"8BPS", b"gimp xcf"), "it is a Photoshop or GIMP document", "Export it as PNG from the program."),
    ((b"FUJIFILMCCD-RAW", b"FOVb", b"IIRO", b"IIU\0", b"\0\0\0\x18ftypcrx "), *RAW_PHOTO),
    ((b"RED1", b"RED2"), "it is a RED camera's raw file", "Export it as MP4 from REDCINE-X."),
)
"""Beginnings of files that people take for media, or that no decoder here knows: what they are, and the remedy."""


class Format(NamedTuple):
    """name: as people call it. container: as `MediaInfo.container`."""

    name: str
    kind: MediaKind
    container: str


JPEG = Format("JPEG", MediaKind.IMAGE, "jpeg")
TIFF = Format("TIFF", MediaKind.IMAGE, "tiff")
HEIC = Format("HEIC", MediaKind.IMAGE, "heif")
QUICKTIME = Format("QuickTime", MediaKind.VIDEO, "mov")
STREAM = Format("MPEG transport stream", MediaKind.VIDEO, "mpegts")
MP3 = Format("MP3", MediaKind.AUDIO, "mp3")

PICTURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"GIF87a")

IN_FRONT = re.compile(rb"(?:HTTP/1.*?\r?\n\r?\n|(?:\xef\xbb\xbf|[\s\0])+)", re.DOTALL)
"""A byte order mark, blanks or the head of an HTTP answer."""

BEGINNINGS: tuple[tuple[int, bytes, Format], ...] = (
    (0, b"\xff\xd8\xff", JPEG),
    (0, b"\x89PNG", Format("PNG", MediaKind.IMAGE, "png")),
    (0, b"GIF8", Format("GIF", MediaKind.IMAGE, "gif")),
    (8, b"WEBP", Format("WebP", MediaKind.IMAGE, "webp")),
    (8, b"WAVE", Format("WAV", MediaKind.AUDIO, "wav")),
    (8, b"AVI ", Format("AVI", MediaKind.VIDEO, "avi")),
    (4, b"ftypavi", Format("AVIF", MediaKind.IMAGE, "avif")),
    (4, b"ftyphei", HEIC),
    (4, b"ftypmif1", HEIC),
    (4, b"ftypM4A", Format("M4A", MediaKind.AUDIO, "m4a")),
    (4, b"ftyp3g", Format("3GP", MediaKind.VIDEO, "3gp")),
    (4, b"ftypqt", QUICKTIME),
    (4, b"ftyp", Format("MP4", MediaKind.VIDEO, "mp4")),
    (4, b"moov", QUICKTIME),
    (4, b"mdat", QUICKTIME),
    (0, b"BM", Format("BMP", MediaKind.IMAGE, "bmp")),
    (0, b"II*\0", TIFF),
    (0, b"MM\0*", TIFF),
    (4, b"jP  ", Format("JPEG 2000", MediaKind.IMAGE, "jpeg2000")),
    (0, b"\x1a\x45\xdf\xa3", Format("Matroska", MediaKind.VIDEO, "mkv")),
    (0, b"FLV", Format("FLV", MediaKind.VIDEO, "flv")),
    (0, b"OggS", Format("Ogg", MediaKind.AUDIO, "ogg")),
    (0, b"fLaC", Format("FLAC", MediaKind.AUDIO, "flac")),
    (0, b"ID3", MP3),
    (0, b"\x30\x26\xb2\x75", Format("ASF (WMV, WMA)", MediaKind.VIDEO, "asf")),
    (0, b".snd", Format("AU", MediaKind.AUDIO, "au")),
    (0, b"FORM", Format("AIFF", MediaKind.AUDIO, "aiff")),
    (0, b"caff", Format("CAF", MediaKind.AUDIO, "caf")),
    (0, b"#!AMR", Format("AMR", MediaKind.AUDIO, "amr")),
    (0, b"\0\0\1\xba", Format("MPEG programme stream", MediaKind.VIDEO, "mpeg")),
    (0, b"\0\0\1\xb3", Format("MPEG video", MediaKind.VIDEO, "mpegvideo")),
    (0, b"DHAV", Format("Dahua DAV", MediaKind.VIDEO, "dhav")),
    (0, b".RMF", Format("RealMedia", MediaKind.VIDEO, "rm")),
    (0, b"G", STREAM),
    (4, b"G", STREAM),
    (0, b"\xff\xfb", MP3),
    (0, b"\xff\xf1", Format("AAC", MediaKind.AUDIO, "aac")),
)
"""Place, bytes, and the format that they tell."""


def format_of(path: Path) -> Format | None:
    """The format that the file begins as; None where it is not known, or no file is there."""
    head = _head(path) if path.is_file() else b""
    return next((known for place, mark, known in BEGINNINGS if head[place:].startswith(mark)), None)


def refuse_others(path: Path, name: str) -> None:
    """Raises: UnreadableMediaError, with what it is and what to do, for a file that is known to be none of ours."""
    head = _head(path)
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    for marks, why, remedy in OTHERS:
        lower = tuple(mark.lower() for mark in marks)
        if start.startswith(lower) or (start.startswith(b"<?xml") and any(m[:1] == b"<" and m in start for m in lower)):
            raise unreadable(name, why, remedy)
    if (known := format_of(path)) is not None and known.kind is MediaKind.IMAGE and known is not JPEG:
        # FFmpeg would take its tiles, previews or parts for a video. JPEG may be the beginning of a stream of them.
        raise unreadable(name, f"it begins as {known.name}, but is cut off or damaged")
    if format_of(path) is None and (front := _in_front_of_picture(head)):
        raise unreadable(
            name,
            f"{front} bytes that belong to no picture stand before its beginning, as faulty programs of web sites send them",
            f"Take them off, for instance with: tail -c +{front + 1} FILE > NEW",
        )
    if is_text(head):
        raise unreadable(name, "it is a text file, whatever its name says")


def unreadable(
    name: str, why: str, remedy: str = "Get the original file again, or convert it to MP4, WAV, JPEG or PNG."
) -> UnreadableMediaError:
    return UnreadableMediaError(f"{name} cannot be read as a picture, video or recording: {why}. {remedy}")


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEAD)


def _in_front_of_picture(head: bytes) -> int:
    """How many bytes stand before the beginning of a picture; 0 where none begins."""
    front = IN_FRONT.match(head)
    return front.end() if front and head[front.end() :].startswith(PICTURES) else 0
